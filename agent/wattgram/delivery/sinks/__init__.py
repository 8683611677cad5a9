"""The sinks: a file each, with its settings, its reader and its factory."""
