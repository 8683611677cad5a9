"""Evaluation of the claims of two articles with the measurements of a site: claim → indicator, target, state."""
