"""Data types of the goals: day, indicator, finding, missing input, outcome."""
