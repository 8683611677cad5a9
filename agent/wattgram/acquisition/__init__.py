"""Polling, decoding and bus usage: from the bus to a reading."""
