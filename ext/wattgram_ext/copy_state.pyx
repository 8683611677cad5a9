# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""State of a copy of the accounts as its difference from the accounts (METHOD-SITE 11).

A copy has the rows of its accounts, and one of its inputs is changed a little. So its running windows, and the energy
and carbon in its batteries, differ by a little. The differences are few, and a state without them can be read alone.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isfinite, isnan
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from .pool cimport Stock, Trips
from .windows cimport (
    SUM_EMISSION, SUM_IMPORT, SUM_LOAD, SUM_SCOPE2_LOCATION, SUM_SCOPE2_MARKET, SUM_TIME, SUM_UNPRICED_LOAD,
    SUM_UNPRICED_TIME, Sums, add, since,
)

cdef enum:
    HEADER = 32          # bytes of the state before the stocks (docs/formats/state.md)
    CHANNELS_AT = 12
    WINDOWS_AT = 16
    POOLS_AT = 28
    TRACKED_COUNT = 8

cdef int[TRACKED_COUNT] TRACKED = [
    SUM_LOAD, SUM_EMISSION, SUM_SCOPE2_LOCATION, SUM_SCOPE2_MARKET, SUM_IMPORT, SUM_TIME, SUM_UNPRICED_LOAD,
    SUM_UNPRICED_TIME,
]


cdef struct StateParts:  # offsets in a state, bytes, and counts
    int windows
    int pool_numbers     # doubles of the stocks and histories of all pools
    Py_ssize_t totals
    Py_ssize_t powers
    Py_ssize_t powers_size


cdef uint32_t number_at(const char *state, int offset) noexcept:
    cdef uint32_t number
    memcpy(&number, state + offset, sizeof(number))
    return number


cdef StateParts parts_of(bytes state) except *:
    """Return the places of the parts of a state; ValueError if it is too short."""
    cdef StateParts parts
    cdef Py_ssize_t size = PyBytes_GET_SIZE(state)
    cdef const char *start = PyBytes_AS_STRING(state)
    if size < HEADER:
        raise ValueError(f"state: {size} bytes, expected the state of accounts")
    parts.windows = number_at(start, WINDOWS_AT)
    parts.pool_numbers = number_at(start, POOLS_AT) * ((sizeof(Stock) + sizeof(Trips)) // sizeof(double))
    parts.powers_size = number_at(start, CHANNELS_AT) * sizeof(double)
    parts.powers = size - parts.powers_size
    parts.totals = parts.powers - (1 + parts.windows) * <Py_ssize_t> sizeof(Sums)
    if parts.totals < HEADER + parts.pool_numbers * <Py_ssize_t> sizeof(double):
        raise ValueError(f"state: {size} bytes, expected the state of accounts")
    return parts


def differences(bytes base not None, bytes copy not None):
    cdef StateParts parts = parts_of(base)
    cdef const char *first = PyBytes_AS_STRING(base)
    cdef const char *second = PyBytes_AS_STRING(copy)
    cdef const Sums *sums = <const Sums *> (first + parts.totals)
    cdef const Sums *changed = <const Sums *> (second + parts.totals)
    cdef const double *pools = <const double *> (first + HEADER)
    cdef const double *changed_pools = <const double *> (second + HEADER)
    cdef int count = parts.windows * TRACKED_COUNT + parts.pool_numbers
    cdef bytes result
    cdef double *out
    cdef int window, i
    if PyBytes_GET_SIZE(base) != PyBytes_GET_SIZE(copy):
        raise ValueError(f"copy: {len(copy)} bytes, expected {len(base)}")
    result = PyBytes_FromStringAndSize(NULL, count * <Py_ssize_t> sizeof(double))
    out = <double *> PyBytes_AS_STRING(result)
    for window in range(parts.windows):
        for i in range(TRACKED_COUNT):
            out[0] = (
                since(changed, changed + 1 + window, TRACKED[i]) - since(sums, sums + 1 + window, TRACKED[i])
            )
            if isnan(out[0]):  # the market-based sum, while the residual mix is unknown
                out[0] = 0
            out += 1
    for i in range(parts.pool_numbers):
        out[i] = (changed_pools[i] - pools[i])
    return result


def powers(bytes state not None):
    cdef StateParts parts = parts_of(state)
    return state[parts.powers : parts.powers + parts.powers_size]


def applied(bytes base not None, bytes given not None, bytes powers not None):
    cdef StateParts parts = parts_of(base)
    cdef bytes result = PyBytes_FromStringAndSize(PyBytes_AS_STRING(base), PyBytes_GET_SIZE(base))
    cdef char *start = PyBytes_AS_STRING(result)
    cdef Sums *starts = <Sums *> (start + parts.totals) + 1
    cdef double *pools = <double *> (start + HEADER)
    cdef const double *numbers = <const double *> PyBytes_AS_STRING(given)
    cdef int count = parts.windows * TRACKED_COUNT + parts.pool_numbers
    cdef int window, i
    if PyBytes_GET_SIZE(given) != count * <Py_ssize_t> sizeof(double):
        raise ValueError(f"differences: {len(given)} bytes, expected {count * sizeof(double)}")
    if PyBytes_GET_SIZE(powers) != parts.powers_size:
        raise ValueError(f"powers: {len(powers)} bytes, expected {parts.powers_size}")
    for i in range(count):
        if not isfinite(numbers[i]):
            raise ValueError("differences: damaged")
    for window in range(parts.windows):
        for i in range(TRACKED_COUNT):
            add(starts + window, TRACKED[i], -numbers[0])
            numbers += 1
    for i in range(parts.pool_numbers):
        pools[i] = max(0.0, pools[i] + numbers[i])
    memcpy(start + parts.powers, PyBytes_AS_STRING(powers), parts.powers_size)
    return result
