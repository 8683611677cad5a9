"""One TOML file becomes a Config; every mistake in it is one line."""
