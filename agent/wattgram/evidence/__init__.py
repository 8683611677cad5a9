"""Evidence of published values: a transparency log of the site (METHOD-SITE 13)."""
