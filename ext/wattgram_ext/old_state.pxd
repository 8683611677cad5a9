# cython: language_level=3
"""States of older versions: what they lack follows from what they hold. docs/formats/state.md describes their layout."""

from libc.string cimport memcpy

from .channels cimport PV, Channels, count
from .windows cimport *

cdef enum:
    VERSION = 4
    VERSION_OPEN = 3      # without fuel, heat and the history of a battery
    VERSION_BALANCED = 2  # also without flows of the time without a load
    SUMS_OPEN = 68
    SUMS_BALANCED = 45
    CORE_BALANCED = 26    # the sums from SUM_LOAD to SUM_RESIDUAL_TIME; those of the groups followed


cdef inline int sums_of(int version) noexcept nogil:
    """Return the number of sums in a set of a version, 0 for an unknown version."""
    if version == VERSION:
        return SUM_COUNT
    if version == VERSION_OPEN:
        return SUMS_OPEN
    return SUMS_BALANCED if version == VERSION_BALANCED else 0


cdef inline void take_open(const double *old, Sums *sums) noexcept nogil:
    """Take the sums of version 3, which held the energy of the time in which a flow was not known."""
    cdef int i
    memcpy(sums.high, old, SUMS_OPEN * sizeof(double))
    memcpy(sums.low, old + SUMS_OPEN, SUMS_OPEN * sizeof(double))
    for i in range(FLOW_COUNT):
        sums.high[SUM_KNOWN_ENERGY + i] = sums.high[SUM_IMPORT + i]
        sums.low[SUM_KNOWN_ENERGY + i] = sums.low[SUM_IMPORT + i]
        add(sums, SUM_KNOWN_ENERGY + i, -old[SUM_KNOWN_ENERGY + i])
        add(sums, SUM_KNOWN_ENERGY + i, -old[SUMS_OPEN + SUM_KNOWN_ENERGY + i])


cdef inline void take_balanced(const double *old, const Channels *channels, Sums *sums) noexcept nogil:
    """Take the sums of version 2, in which all flows were known for the time with a balance, and no other time."""
    cdef double *high = sums.high
    cdef int i, place
    for i in range(SUMS_BALANCED):
        place = i if i < CORE_BALANCED else i - CORE_BALANCED + SUM_CORE
        high[place] = old[i]
        sums.low[place] = old[SUMS_BALANCED + i]
    for i in range(FLOW_COUNT):
        high[SUM_KNOWN + i] = high[SUM_TIME]
        high[SUM_KNOWN_ENERGY + i] = high[SUM_IMPORT + i]
        sums.low[SUM_KNOWN_ENERGY + i] = sums.low[SUM_IMPORT + i]
    high[SUM_SIGNAL_TIME] = high[SUM_TIME]
    if count(channels, PV, PV) > 0:  # with wind or hydro, too, their carbon cannot be told apart
        high[SUM_PV_CARBON] = high[SUM_RENEWABLE_CARBON]
    high[SUM_UNACCOUNTED] = (
        high[SUM_IMPORT] + high[SUM_PV] + high[SUM_GENERATION] + high[SUM_DISCHARGE]
        - high[SUM_EXPORT] - high[SUM_CHARGE] - high[SUM_LOAD]
    )
    high[SUM_CHARGE_CARBON] = (
        high[SUM_IMPORT_CARBON] + high[SUM_RENEWABLE_CARBON] + high[SUM_SCOPE1] + high[SUM_DISCHARGE_CARBON]
        - high[SUM_EXPORT_CARBON] - high[SUM_EMISSION]
    )
