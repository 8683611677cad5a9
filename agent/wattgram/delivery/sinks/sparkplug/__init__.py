"""Sparkplug B: an edge node with its sessions, metrics and payloads."""
