"""Representations of a goal: text, HTML and explanation."""
