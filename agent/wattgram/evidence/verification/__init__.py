"""Comparison of exported records with the log of a site."""
