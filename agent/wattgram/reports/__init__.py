"""Reports and exports from the stored history."""
