"""One MQTT connection: settings, packets, session."""
