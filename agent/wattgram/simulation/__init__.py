"""The simulated factory of `demo` and `simulate`."""
