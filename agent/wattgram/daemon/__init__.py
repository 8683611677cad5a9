"""The daemon: its parts in one TaskGroup, its health, the set-up of its process."""
