"""SunSpec: the walk over a device, its models, points and members."""
