"""Simulated devices: registers, faults and the server."""
