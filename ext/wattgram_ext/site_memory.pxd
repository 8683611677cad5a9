# cython: language_level=3, cdivision=True
"""The memory of a site's accounts, and its layout. docs/formats/state.md describes the block of the state."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from .amounts cimport AMOUNT_COUNT, Waiting
from .booking cimport Held, Open, OpenBusbar, OpenCharge, Tariff
from .busbars cimport Draw, Lane
from .channels cimport BatteryGroup, Channels
from .group_use cimport Quarter
from .pool cimport Battery, Stock, Trips
from .terminals cimport Contained, Member, Terminals
from .windows cimport Sums


cdef extern from *:
    """
    #define MAGIC 0x31474D4152475457ULL  /* "WTGRAMG1", read in native order */
    """
    const uint64_t MAGIC


cdef enum:               # optional columns of an input row, as COLUMNS
    ENERGY, CARBON, SOC, CERTIFICATES, CAPTURED_MASS, OFFICIAL, BURNT, BIOGENIC, HEAT, ENDS, RESIDUAL,
    CERTIFICATE_FACTOR
    COLUMN_COUNT


cdef struct Header:      # of a state
    uint64_t magic
    uint32_t version
    uint32_t channels
    uint32_t windows
    uint32_t roles       # FNV-1a over the channels' roles, and over their busbars and pools if there are several
    uint32_t busbars
    uint32_t pools


cdef struct SiteMemory:
    int channels         # number of channels
    int busbars
    int pools
    Channels *sides      # the channels of each busbar
    Terminals terminals
    Waiting waiting      # for amounts of fuel and heat
    Contained *contained # of each busbar, in the computation of a row
    Battery *batteries   # settings of each pool
    Lane *lanes          # of each busbar, in the computation of a row
    Draw *draws          # of each pool, likewise
    uint32_t roles       # FNV-1a over the channels' roles alone, as in states of older versions
    Tariff tariff
    int windows
    int hour             # window in which certificates are matched; -1 for none
    int width            # doubles of an input row
    int columns[COLUMN_COUNT]    # each column's index in a row; -1 if absent
    bint local_first
    double rated_power
    double register_step
    # the block of the state, and its parts; the last part is the channels' powers at the previous instant
    char *block
    Py_ssize_t block_size
    Header *header
    Stock *stores        # of each pool
    Trips *trips         # of each pool
    Quarter *quarters    # of each busbar
    Open *open
    Held *held
    OpenBusbar *open_sides       # of each busbar
    OpenCharge *open_charges     # of each pool
    Sums *totals
    Sums *starts         # totals at each window's start


cdef inline Py_ssize_t size_of_block(const SiteMemory *site) noexcept nogil:
    """Return the size of the state, bytes."""
    return (
        sizeof(Header) + site.pools * (sizeof(Stock) + sizeof(Trips) + sizeof(OpenCharge)) + sizeof(Open)
        + sizeof(Held) + site.busbars * (sizeof(Quarter) + sizeof(OpenBusbar)) + (1 + site.windows) * sizeof(Sums)
        + site.channels * sizeof(double)
    )


cdef inline void divide_block(SiteMemory *site) noexcept nogil:
    """Write the places of the parts of the block."""
    site.header = <Header *> site.block
    site.stores = <Stock *> (site.header + 1)
    site.trips = <Trips *> (site.stores + site.pools)
    site.quarters = <Quarter *> (site.trips + site.pools)
    site.open = <Open *> (site.quarters + site.busbars)
    site.held = <Held *> (site.open + 1)
    site.open_sides = <OpenBusbar *> (site.held + 1)
    site.open_charges = <OpenCharge *> (site.open_sides + site.busbars)
    site.totals = <Sums *> (site.open_charges + site.pools)
    site.starts = site.totals + 1


cdef inline bint allocate_memory(SiteMemory *site) noexcept nogil:
    """Allocate the arrays of channels, busbars and pools, and the block of the state. Return whether there is memory.

    site: all zero but for the numbers of channels, busbars, pools and windows. `free_memory` frees it in both cases.
    """
    cdef int *order
    cdef double *factor
    cdef double *upstream
    cdef BatteryGroup *groups
    cdef int i
    site.sides = <Channels *> calloc(site.busbars, sizeof(Channels))
    if site.sides == NULL:
        return False
    # one element more than needed: calloc(0) may return NULL
    order = site.sides.order = <int *> calloc(site.channels + 1, sizeof(int))
    factor = site.sides.factor = <double *> calloc(site.channels + 1, sizeof(double))
    upstream = site.sides.upstream = <double *> calloc(site.channels + 1, sizeof(double))
    groups = site.sides.pools = <BatteryGroup *> calloc(site.pools, sizeof(BatteryGroup))
    site.batteries = <Battery *> calloc(site.pools, sizeof(Battery))
    site.contained = <Contained *> calloc(site.busbars, sizeof(Contained))
    site.terminals.members = <Member *> calloc(site.channels + 1, sizeof(Member))
    site.terminals.powers = <double *> calloc(site.channels + 1, sizeof(double))
    site.terminals.energies = <double *> calloc(2 * site.channels + 1, sizeof(double))
    site.waiting.before = <double *> calloc(AMOUNT_COUNT * site.windows + 1, sizeof(double))
    site.waiting.lasted = <double *> calloc(site.windows + 1, sizeof(double))
    site.lanes = <Lane *> calloc(site.busbars, sizeof(Lane))
    site.draws = <Draw *> calloc(site.pools, sizeof(Draw))
    site.block_size = size_of_block(site)
    site.block = <char *> calloc(1, site.block_size)
    if (
        order == NULL or factor == NULL or upstream == NULL or groups == NULL or site.batteries == NULL
        or site.lanes == NULL or site.draws == NULL or site.block == NULL or site.contained == NULL or site.terminals.members == NULL
        or site.terminals.powers == NULL or site.terminals.energies == NULL or site.waiting.before == NULL
        or site.waiting.lasted == NULL
    ):
        return False
    divide_block(site)
    for i in range(site.busbars):
        site.sides[i].busbar = i
        site.sides[i].count = site.channels
        site.sides[i].order = order
        site.sides[i].factor = factor
        site.sides[i].upstream = upstream
        site.sides[i].pool_count = site.pools
        site.sides[i].pools = groups
        site.sides[i].before = <double *> (site.starts + site.windows)
    return True


cdef inline void free_memory(SiteMemory *site) noexcept nogil:
    if site.sides != NULL:
        free(site.sides.order)
        free(site.sides.factor)
        free(site.sides.upstream)
        free(site.sides.pools)
    free(site.contained)
    free(site.waiting.before)
    free(site.waiting.lasted)
    free(site.terminals.members)
    free(site.terminals.powers)
    free(site.terminals.energies)
    free(site.sides)
    free(site.batteries)
    free(site.lanes)
    free(site.draws)
    free(site.block)


cdef inline void forget_open(SiteMemory *site) noexcept nogil:
    """Forget what was booked without a load: the parts of the block from `open` to `totals`."""
    memset(site.open, 0, <char *> site.totals - <char *> site.open)
