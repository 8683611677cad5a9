"""The simulated factory behind `demo` and `simulate`."""
