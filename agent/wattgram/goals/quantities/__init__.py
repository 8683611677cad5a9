"""Quantities of several indicators: baselines, production, specific energy, heat of fuels."""
