"""The configuration: one TOML file becomes a Config; each mistake is one line."""
