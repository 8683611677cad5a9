"""SunSpec: discovery of a device's models, their points, and the members of a chain."""
