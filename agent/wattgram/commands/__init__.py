"""The commands: a file each, with its options, its work and its output."""
