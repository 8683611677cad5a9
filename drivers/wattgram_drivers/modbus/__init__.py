"""Modbus: requests, framings, connections and the bus."""
