"""From the bus to a reading: polling, decoding, and how busy each bus is."""
