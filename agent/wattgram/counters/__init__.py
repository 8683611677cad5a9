"""Energy counters: alignment to ticks, glitches, resets, rollovers, and which counter belongs to which role."""
