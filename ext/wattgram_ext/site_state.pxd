# cython: language_level=3, cdivision=True
"""The state of a site's accounts: checked and taken. docs/formats/state.md describes the layouts.

Only the present version has the parts of `site_memory`; `old_state` converts the parts of older versions.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport NAN, isfinite, isnan
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from .amounts cimport AMOUNT_COUNT
from .old_state cimport (
    OLD_HEADER, VERSION, VERSION_BALANCED, VERSION_ONE, VERSION_OPEN, OldOpen, part_of_charge, part_of_stock,
    part_of_trips, sums_of, take_balanced, take_one, take_open, take_open_time,
)
from .pool cimport Stock, Trips
from .site_memory cimport MAGIC, Header, SiteMemory
from .windows cimport SUM_COUNT, SUM_SCOPE2_MARKET


cdef inline int channels_of(const SiteMemory *site, int version) noexcept nogil:
    """Return the number of channels in a state of a version."""
    return site.channels if version == VERSION else site.channels - site.terminals.count


cdef inline Py_ssize_t size_of_state(const SiteMemory *site, int version) noexcept nogil:
    """Return the size of a state of a known version, bytes."""
    cdef Py_ssize_t size = OLD_HEADER + sizeof(Stock) + channels_of(site, version) * <Py_ssize_t> sizeof(double)
    if version == VERSION:
        return site.block_size
    if version != VERSION_BALANCED:
        size += sizeof(OldOpen)
    if version == VERSION_ONE:
        size += sizeof(Trips)
    return size + (1 + site.windows) * 2 * sums_of(version) * <Py_ssize_t> sizeof(double)


cdef inline double part_of_pool(const SiteMemory *site, int pool) noexcept nogil:
    """Return a pool's part of the site's capacity; equal parts if a capacity is unknown."""
    cdef double total = 0
    cdef int i
    for i in range(site.pools):
        if not site.batteries[i].capacity > 0:
            return 1.0 / site.pools
        total += site.batteries[i].capacity
    return site.batteries[pool].capacity / total


cdef inline void convert_state(SiteMemory *site, const char *state, int version) noexcept nogil:
    """Take a state of an older version: of one busbar, with one pool, which several pools share by capacity."""
    cdef const Stock *stock = <const Stock *> (state + OLD_HEADER)
    cdef const OldOpen *open = NULL
    cdef const Trips *trips = NULL
    cdef const double *old = <const double *> (stock + 1)
    cdef double part
    cdef int i
    memset(<char *> site.block + sizeof(Header), 0, site.block_size - sizeof(Header))
    if version != VERSION_BALANCED:
        open = <const OldOpen *> old
        old = <const double *> (open + 1)
        take_open_time(open, site.open, site.open_sides)
    if version == VERSION_ONE:
        trips = <const Trips *> old
        old = <const double *> (trips + 1)
    for i in range(site.pools):
        part = part_of_pool(site, i)
        site.stores[i] = part_of_stock(stock, part)
        if open != NULL:
            site.open_charges[i] = part_of_charge(open, part)
        if trips != NULL:
            site.trips[i] = part_of_trips(trips, site.pools == 1)
    for i in range(1 + site.windows):
        if version == VERSION_ONE:
            take_one(old, site.totals + i)
        elif version == VERSION_OPEN:
            take_open(old, site.totals + i)
        else:
            take_balanced(old, site.sides, site.totals + i)
        old += 2 * sums_of(version)
    for i in range(site.channels):
        site.sides.before[i] = NAN
        if site.terminals.members[i].terminal != i:
            site.sides.before[i] = old[0]
            old += 1


cdef inline bint may_be_unknown(const SiteMemory *site, const double *number, const char *state) noexcept nogil:
    """Return whether a number of a state is a sum of the market-based ledger, which an unknown residual mix leaves NaN."""
    cdef Py_ssize_t place = (<const char *> number - state) - (<const char *> site.totals - site.block)
    return place >= 0 and place // <Py_ssize_t> sizeof(double) % SUM_COUNT == SUM_SCOPE2_MARKET


cdef inline bint damaged(const SiteMemory *site, const char *state, int version) noexcept nogil:
    """Return whether a state of the right size holds an impossible number."""
    cdef Py_ssize_t head = <Py_ssize_t> sizeof(Header) if version == VERSION else OLD_HEADER
    cdef Py_ssize_t stock = (site.pools if version == VERSION else 1) * sizeof(Stock) // <Py_ssize_t> sizeof(double)
    cdef const double *numbers = <const double *> (state + head)
    cdef Py_ssize_t i, count
    count = (size_of_state(site, version) - head) // <Py_ssize_t> sizeof(double) - channels_of(site, version)
    for i in range(count):
        if isnan(numbers[i]) and version == VERSION and may_be_unknown(site, numbers + i, state):
            continue
        if not isfinite(numbers[i]) or (i < stock and numbers[i] < 0):
            return True
    return False


cdef inline int check_state(const SiteMemory *site, bytes state) except -1:
    """Raise ValueError if a state is not one of these accounts."""
    cdef const Header *header = <const Header *> PyBytes_AS_STRING(state)
    if PyBytes_GET_SIZE(state) < <Py_ssize_t> sizeof(Header) or header.magic != MAGIC:
        raise ValueError("state: not one of these accounts")
    if sums_of(header.version) == 0:
        raise ValueError(f"state: version {header.version}, expected {VERSION}")
    if header.channels != <uint32_t> channels_of(site, header.version):
        raise ValueError("state: made by other channels")
    if header.version == VERSION:
        if header.roles != site.header.roles:
            raise ValueError("state: made by other channels")
        if header.busbars != site.header.busbars or header.pools != site.header.pools:
            raise ValueError(
                f"state: made with {header.busbars} busbars and {header.pools} pools, expected {site.busbars} and "
                f"{site.pools}"
            )
    elif header.roles != site.roles or site.busbars > 1:
        raise ValueError("state: made by other channels")
    if header.windows != site.header.windows or PyBytes_GET_SIZE(state) != size_of_state(site, header.version):
        raise ValueError(f"state: made with {header.windows} windows, expected {site.windows}")
    if damaged(site, PyBytes_AS_STRING(state), header.version):
        raise ValueError("state: damaged")
    return 0


cdef inline void take_state(SiteMemory *site, const char *state) noexcept nogil:
    """Continue from a state that `check_state` accepts."""
    cdef int version = (<const Header *> state).version
    memset(site.waiting.now, 0, sizeof(site.waiting.now))
    memset(site.waiting.before, 0, AMOUNT_COUNT * site.windows * sizeof(double))
    memset(site.waiting.lasted, 0, site.windows * sizeof(double))
    if version != VERSION:
        convert_state(site, state, version)
    else:
        memcpy(site.block, state, site.block_size)
