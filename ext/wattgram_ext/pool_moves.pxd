# cython: language_level=3, cdivision=True
"""The energy of an interval in and out of a site's pools, and their losses: METHOD 4.6, METHOD-SITE 9.6."""

from libc.math cimport NAN

from .booking cimport keep_charge
from .busbars cimport Draw, Lane, append
from .channels cimport BatteryGroup, Row
from .pool cimport (
    Stock, charge, correct, delivered_intensity, delivery, discharge, leg, note_flows, open_stock, rest,
)
from .sharing cimport Parcel, part_for
from .site_memory cimport SiteMemory
from .windows cimport (
    LOSS_EMISSION, LOSS_ENERGY, STOCK_EMISSION, STOCK_ENERGY, SUM_LOSS, SUM_LOSS_CARBON, SUM_LOST, SUM_OPENING, add,
)


cdef inline double charging(const SiteMemory *site, int pool) noexcept nogil:
    """Return the efficiency of a charge."""
    return leg(site.trips + pool, site.batteries + pool, site.batteries[pool].charge)


cdef inline double discharging(const SiteMemory *site, int pool) noexcept nogil:
    """Return the efficiency of a discharge."""
    return leg(site.trips + pool, site.batteries + pool, site.batteries[pool].discharge)


cdef inline Parcel draw_pools(SiteMemory *site, const Row *row) noexcept nogil:
    """Find what each pool delivers in an interval, and return the sum."""
    cdef Parcel result = Parcel(0, 0, 0, 0)
    cdef const BatteryGroup *pool
    cdef int i
    for i in range(site.pools):
        pool = site.sides.pools + i
        if row.seconds > 0:
            note_flows(site.trips + i, pool.charge * row.hours, pool.discharge * row.hours)
        site.draws[i].drawn = delivery(
            site.stores + i, site.trips + i, pool.discharge, row.hours, discharging(site, i), row.official,
            row.grid_clean,
        )
        append(&result, &site.draws[i].drawn.parcel)
    return result


cdef inline Parcel drawn_on(const SiteMemory *site, int busbar) noexcept nogil:
    """Return what the pools of a busbar deliver."""
    cdef Parcel result = Parcel(0, 0, 0, 0)
    cdef int i
    for i in range(site.pools):
        if site.sides.pools[i].busbar == busbar:
            append(&result, &site.draws[i].drawn.parcel)
    return result


cdef inline double next_intensity(const SiteMemory *site) noexcept nogil:
    """Return the intensity of the next Wh that the pools deliver together, g/Wh; NaN if all are empty."""
    cdef double carbon = 0
    cdef double energy = 0
    cdef int i, last = 0, full = 0
    for i in range(site.pools):
        if site.stores[i].energy > 0:
            carbon += site.stores[i].carbon
            energy += site.stores[i].energy * discharging(site, i)
            last = i
            full += 1
    if full == 1:
        return delivered_intensity(site.stores + last, discharging(site, last))
    return carbon / energy if full else NAN


cdef inline void note_reports(SiteMemory *site, const Row *row) noexcept nogil:
    """Remember the pools that report a state of charge."""
    cdef int i
    for i in range(site.pools if row.soc != NULL else 0):
        if 0 <= row.soc[i] <= 1 and site.batteries[i].capacity > 0:
            site.trips[i].reported = 1


cdef inline void move_pool(
    SiteMemory *site, int pool, const Row *row, double power, const Parcel *arrival, double drawn
) noexcept nogil:
    """Move an interval's energy in and out of a pool. power: charged, W. drawn: Wh inside the store."""
    cdef Stock *stock = site.stores + pool
    cdef double lost = 0
    cdef double soc = row.soc[pool] if row.soc != NULL and site.batteries[pool].capacity > 0 else NAN
    if row.seconds > 0:
        discharge(stock, site.trips + pool, drawn)
        charge(stock, site.trips + pool, arrival, power, row.hours, charging(site, pool))
        lost = rest(stock, site.batteries + pool, row.hours)
    if 0 <= soc <= 1:
        if not stock.opened > 0:
            add(
                site.totals, SUM_OPENING,
                open_stock(stock, site.trips + pool, site.batteries + pool, soc, row.official, row.grid_clean)
                * row.official,
            )
        elif row.seconds > 0:
            lost += correct(stock, site.batteries + pool, soc, row.seconds)
    if lost > 0:
        add(site.totals, SUM_LOST, lost)


cdef inline void move_pools(SiteMemory *site, const Row *row, bint kept, double *out) noexcept nogil:
    """Move an interval's energy in and out of the pools. kept: the interval waits for `settle`."""
    cdef const BatteryGroup *pool
    cdef const Lane *lane
    cdef Draw *draw
    cdef Parcel arrival
    cdef int i
    out[LOSS_ENERGY] = out[LOSS_EMISSION] = 0
    for i in range(site.pools):
        pool, draw = site.sides.pools + i, site.draws + i
        lane = site.lanes + pool.busbar
        arrival = part_for(&lane.shares.charge, pool.charge, lane.moved.charge)
        if kept and not (lane.balanced and not lane.moved.hidden):
            keep_charge(site.open_charges + i, &arrival, row.hours)
        if draw.drawn.opening > 0 and row.seconds > 0:
            add(site.totals, SUM_OPENING, draw.drawn.opening_carbon)
        draw.before = site.stores[i]
        move_pool(site, i, row, pool.charge, &arrival, draw.drawn.energy)
        book_loss(site, i, row.hours, pool.charge * row.hours, arrival.carbon * row.hours, out)


cdef inline void book_loss(
    SiteMemory *site, int pool, double hours, double charged, double charged_carbon, double *out
) noexcept nogil:
    """Book a pool's loss, Wh and g: what went in, less what came out and what stayed. out: NULL, or the row."""
    cdef const Draw *draw = site.draws + pool
    cdef double loss = (
        charged - site.sides.pools[pool].discharge * hours - (site.stores[pool].energy - draw.before.energy)
    )
    cdef double carbon = (
        charged_carbon - draw.drawn.parcel.carbon * hours - (site.stores[pool].carbon - draw.before.carbon)
    )
    if loss != 0:
        add(site.totals, SUM_LOSS, loss)
    if carbon != 0:
        add(site.totals, SUM_LOSS_CARBON, carbon)
    if out != NULL:
        out[LOSS_ENERGY] += loss
        out[LOSS_EMISSION] += carbon


cdef inline void show_stock(const SiteMemory *site, double *out) noexcept nogil:
    """Write the sums of the pools' present stocks."""
    cdef int i
    out[STOCK_ENERGY] = site.stores.energy
    out[STOCK_EMISSION] = site.stores.carbon
    for i in range(1, site.pools):
        out[STOCK_ENERGY] += site.stores[i].energy
        out[STOCK_EMISSION] += site.stores[i].carbon
