"""Home Assistant discovery: the entities that a gateway announces on MQTT."""
