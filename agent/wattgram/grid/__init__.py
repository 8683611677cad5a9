"""What the grid emits now, and where the number comes from."""
