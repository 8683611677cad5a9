"""The daemon: its parts in one TaskGroup, its health, its process."""
