"""The table `[goals]`: claims, limits, targets, products and manual entries."""
