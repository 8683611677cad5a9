def differences(base: bytes, copy: bytes) -> bytes:
    """Return the differences of a copy's state from the state of its accounts, doubles; ValueError for other accounts.

    For each window those of eight sums since its start, then those of the stocks and histories of the pools. The parts
    of a running quarter of an hour without a load are left out: a state between two hours has none.
    """

def powers(state: bytes) -> bytes:
    """Return the powers of the last instant from a state, W, a double for each channel."""

def applied(base: bytes, given: bytes, powers: bytes) -> bytes:
    """Return the state of a copy from the state of the accounts and `differences`; ValueError if they are damaged.

    powers: of the last instant, with the input of the copy changed.
    """
