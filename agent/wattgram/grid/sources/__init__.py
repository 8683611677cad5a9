"""Live sources of grid intensity: a file each, with its settings, its reader and its factory."""
