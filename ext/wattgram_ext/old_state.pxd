# cython: language_level=3
"""States of older versions: what they lack follows from what they hold. docs/formats/state.md describes their layout."""

from libc.string cimport memcpy

from .booking cimport Open, OpenBusbar, OpenCharge
from .channels cimport PV, Channels, count
from .pool cimport Stock, Trips, scale
from .sharing cimport SOURCE_COUNT
from .windows cimport *

cdef enum:
    VERSION = 5
    VERSION_ONE = 4       # of one busbar and one pool, without terminals of hybrids and their channels
    VERSION_OPEN = 3      # also without fuel, heat and the history of a battery
    VERSION_BALANCED = 2  # also without flows of the time without a load
    SUMS_ONE = 74
    SUMS_OPEN = 68
    SUMS_BALANCED = 45
    CORE_BALANCED = 26    # the sums from SUM_LOAD to SUM_RESIDUAL_TIME; those of the groups followed
    OLD_HEADER = 24       # bytes, without the numbers of busbars and pools
    OLD_TIMES = 3 * FLOW_COUNT + 4


cdef struct OldOpen:      # of versions 3 and 4
    double times[OLD_TIMES]      # `Open` up to `unaccounted_carbon`
    double groups[GROUP_COUNT]
    double sources[4 * SOURCE_COUNT]
    double charge_carbon
    double charge_clean
    double charge_own


cdef inline int sums_of(int version) noexcept nogil:
    """Return the number of sums in a set of a version, 0 for an unknown version."""
    if version == VERSION:
        return SUM_COUNT
    if version == VERSION_ONE:
        return SUMS_ONE
    if version == VERSION_OPEN:
        return SUMS_OPEN
    return SUMS_BALANCED if version == VERSION_BALANCED else 0


cdef inline void take_open_time(const OldOpen *old, Open *open, OpenBusbar *busbar) noexcept nogil:
    """Take what was booked without a load, of the one busbar."""
    memcpy(open, old.times, sizeof(old.times))
    memcpy(busbar.groups, old.groups, sizeof(old.groups))
    memcpy(busbar.sources, old.sources, sizeof(old.sources))
    busbar.exported = open.energy[FLOW_EXPORT]


cdef inline OpenCharge part_of_charge(const OldOpen *old, double part) noexcept nogil:
    """Return a pool's part of the open charge of the one pool."""
    return OpenCharge(
        old.times[FLOW_CHARGE] * part, old.charge_carbon * part, old.charge_clean * part, old.charge_own * part
    )


cdef inline Stock part_of_stock(const Stock *old, double part) noexcept nogil:
    """Return a pool's part of the stock of the one pool, with the same intensity."""
    cdef Stock result = old[0]
    if part != 1:
        result.carbon *= part
        scale(&result, part)
    return result


cdef inline Trips part_of_trips(const Trips *old, bint alone) noexcept nogil:
    """Return the history of a pool from that of the one pool. Of several, the round trip is learned anew."""
    cdef Trips result = old[0]
    if not alone:
        result.charged = result.discharged = result.turn_charged = result.turn_discharged = 0
        result.run = result.largest = result.discharging = 0
    return result


cdef inline void take_one(const double *old, Sums *sums) noexcept nogil:
    """Take the sums of version 4, in which every known load had a mix."""
    memcpy(sums.high, old, SUMS_ONE * sizeof(double))
    memcpy(sums.low, old + SUMS_ONE, SUMS_ONE * sizeof(double))


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
