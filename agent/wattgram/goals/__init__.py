"""The two articles' claims, checked against what the site measured: claim → indicator, target, state."""
