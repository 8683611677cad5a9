"""Figures that several indicators use: baselines, production, specific energy, heat of fuels."""
