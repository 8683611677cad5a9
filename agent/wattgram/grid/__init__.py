"""The emission intensity of the grid, and its sources."""
