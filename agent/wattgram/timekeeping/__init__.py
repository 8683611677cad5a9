"""Whether the wall clock can be trusted, and which times were published already."""
