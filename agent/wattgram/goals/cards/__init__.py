"""How a goal is shown: as text, as HTML, as an explanation."""
