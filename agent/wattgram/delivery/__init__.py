"""Delivery from the spool to the sinks: batches, retries, and the state of each sink."""
