# cython: language_level=3, cdivision=True
"""A row of late energy: settled with the time without a load, or left open with it (METHOD-SITE 9.1, 9.3).

Powers and rates of the row are Wh and g.
"""

from libc.math cimport fabs
from libc.string cimport memcpy

from .booking cimport OpenBusbar, OpenCharge, gain, keep_busbar, keep_charge
from .busbars cimport Lane, joined_flows, sources_of
from .channels cimport NOISE, ROUNDING, BatteryGroup, Flows, Row, flows, judge, told
from .given_row cimport read_row
from .group_use cimport book_settled_groups, book_unpriced_groups, book_waiting_groups
from .late_booking cimport book_unsettled, exchanged, gain_settled, gain_unpriced, release, settle
from .pool cimport charge, delivery, discharge, note_flows, note_intensity, rest, revise_charge
from .pool_moves cimport book_loss, charging, discharging, drawn_on
from .sharing cimport SOURCE_COUNT, Parcel, part_for, share_by_method, share_known
from .site_memory cimport ENERGY, SiteMemory, forget_open
from .terminals cimport unnamed
from .units cimport MOST_INTENSITY
from .windows cimport FLOW_IMPORT, SUM_CORE, SUM_LOST, SUM_OPENING, add


cdef inline void net_late(SiteMemory *site, int busbar) noexcept nogil:
    """Net the late energy of a busbar's incomers, and lower the price of a late export to the booked price.

    The price is too high if the export takes off more import carbon than was booked.
    """
    cdef Lane *lane = site.lanes + busbar
    cdef const double *booked = site.open_sides[busbar].sources + 4 * (SOURCE_COUNT - 1)
    lane.netted = exchanged(site.open_sides + busbar, &lane.moved)
    lane.moved.imported -= lane.netted
    lane.moved.exported -= lane.netted
    if not (lane.moved.imported < 0 and booked[0] > 0):
        return
    if booked[1] + lane.moved.imported * lane.row.grid < 0:
        lane.row.grid = booked[1] / booked[0]
    if booked[2] + lane.moved.imported * lane.row.grid_clean < 0:
        lane.row.grid_clean = booked[2] / booked[0]


cdef inline void draw_late(SiteMemory *site, int pool, const Row *row) noexcept nogil:
    """Find what a pool delivers of late energy."""
    cdef const BatteryGroup *moved = site.sides.pools + pool
    note_flows(site.trips + pool, moved.charge, moved.discharge)
    site.draws[pool].drawn = delivery(
        site.stores + pool, site.trips + pool, moved.discharge, 1.0, discharging(site, pool), row.official,
        row.grid_clean,
    )


cdef inline bint join_open(SiteMemory *site) noexcept nogil:
    """Write late and open energy of each busbar to its lane. Return whether its load then is possible."""
    cdef Lane *lane
    cdef const OpenBusbar *open
    cdef Parcel drawn
    cdef double inflow
    cdef bint sound = True
    cdef int i, k
    for i in range(site.busbars):
        site.lanes[i].charged = 0
    for i in range(site.pools):
        site.lanes[site.sides.pools[i].busbar].charged += site.sides.pools[i].charge + site.open_charges[i].energy
    for i in range(site.busbars):
        lane, open = site.lanes + i, site.open_sides + i
        drawn = drawn_on(site, i)
        sources_of(&lane.row, &lane.moved, &drawn, lane.late)
        inflow = 0
        for k in range(SOURCE_COUNT):
            lane.sources[k] = Parcel(
                lane.late[k].power + open.sources[4 * k], lane.late[k].carbon + open.sources[4 * k + 1],
                lane.late[k].clean + open.sources[4 * k + 2], lane.late[k].own + open.sources[4 * k + 3],
            )
            inflow += lane.sources[k].power
        lane.surplus = inflow - (lane.charged + (lane.moved.exported + open.exported))
        lane.load = lane.surplus + open.terminal
        inflow += max(open.terminal, 0.0)
        sound = sound and lane.load >= -NOISE * inflow
        if fabs(lane.load) <= ROUNDING * inflow:
            lane.load = 0.0
    return sound


cdef inline double recharge(SiteMemory *site, int pool, const Lane *lane) noexcept nogil:
    """Store a late charge, and change what the open charge carried. Return the g that the store takes."""
    cdef const OpenCharge *open = site.open_charges + pool
    cdef double late = site.sides.pools[pool].charge
    cdef double charged = late + open.energy
    cdef Parcel arrival = part_for(&lane.shares.charge, charged, lane.charged)
    cdef double change
    site.stores[pool].energy += late * charging(site, pool)
    change = revise_charge(
        site.stores + pool, arrival.carbon - open.carbon, arrival.clean - open.clean, arrival.own - open.own,
        charging(site, pool),
    )
    if charged > 0:
        site.stores[pool].dearest = max(site.stores[pool].dearest, arrival.carbon / charged)
        note_intensity(site.trips + pool, arrival.carbon / charged)
    return change


cdef inline void charge_late(SiteMemory *site, int busbar, bint kept) noexcept nogil:
    """Store the late charge of a busbar with its present share. kept: remember the charge until `settle`."""
    cdef const Lane *lane = site.lanes + busbar
    cdef Parcel arrival
    cdef double power
    cdef int i
    for i in range(site.pools):
        if site.sides.pools[i].busbar == busbar:
            power = site.sides.pools[i].charge
            arrival = part_for(&lane.shares.charge, power, lane.moved.charge)
            if kept:
                keep_charge(site.open_charges + i, &arrival, 1.0)
            charge(site.stores + i, site.trips + i, &arrival, power, 1.0, charging(site, i))
            site.draws[i].taken = arrival.carbon


cdef inline void settle_busbar(SiteMemory *site, int busbar, double *gained) noexcept nogil:
    """Gain the late energy of a busbar, and the load of its time without one."""
    cdef Lane *lane = site.lanes + busbar
    cdef double change = 0
    cdef double taken
    cdef int i
    lane.shares = share_by_method(
        site.local_first, lane.sources, max(lane.load, 0.0), lane.charged,
        lane.moved.exported + site.open_sides[busbar].exported,
    )
    for i in range(site.pools):
        if site.sides.pools[i].busbar == busbar:
            taken = recharge(site, i, lane)
            site.draws[i].taken = taken
            change += taken
    gain_settled(
        site.open_sides + busbar, &site.tariff, &lane.row, &lane.moved, lane.late, lane.sources, &lane.shares,
        change, lane.load, gained,
    )
    if site.sides[busbar].grouped:
        book_settled_groups(
            site.totals, site.quarters + busbar, site.open_sides + busbar, &lane.moved, &lane.shares, lane.load
        )


cdef inline void settle_unpriced(SiteMemory *site, int busbar, double *gained) noexcept nogil:
    """Gain the late energy of a busbar, and the load of a time in which the mix of the site was unknown."""
    cdef Lane *lane = site.lanes + busbar
    lane.shares = share_known(
        lane.late, lane.moved.charge, lane.moved.exported, lane.row.grid, lane.row.grid_clean
    )
    charge_late(site, busbar, False)
    gain_unpriced(
        &site.tariff, &lane.row, &lane.moved, lane.late, &lane.shares, lane.surplus, lane.load, gained
    )
    if site.sides[busbar].grouped:
        book_unpriced_groups(
            site.totals, site.quarters + busbar, site.open_sides + busbar, &lane.moved, lane.load
        )


cdef inline void leave_open(SiteMemory *site, int busbar, double *gained) noexcept nogil:
    """Gain the late energy of a busbar, and keep it for the time when the load of the site is known."""
    cdef Lane *lane = site.lanes + busbar
    cdef const Row *row = &lane.row
    cdef double imported = lane.moved.imported + lane.netted
    memcpy(lane.sources, lane.late, sizeof(lane.late))
    lane.sources[3] = Parcel(imported, imported * row.grid, imported * row.grid_clean, 0)
    lane.shares = share_known(
        lane.sources, lane.moved.charge, lane.moved.exported + lane.netted, row.grid, row.grid_clean
    )
    gain(&site.tariff, row, &lane.moved, &lane.shares, lane.late, False, gained)
    if site.sides[busbar].grouped:
        book_waiting_groups(
            site.totals, site.quarters + busbar, max(row.seconds - site.open.signal, 0.0), &lane.moved
        )
    keep_busbar(site.open_sides + busbar, &lane.moved, lane.late, 1.0)
    if lane.moved.known[FLOW_IMPORT]:
        site.open_sides[busbar].partial_import = site.open_sides[busbar].partial_export = 0
    charge_late(site, busbar, True)


cdef inline void rest_late(SiteMemory *site) noexcept nogil:
    """Book the losses of late energy."""
    cdef double lost
    cdef int i
    for i in range(site.pools):
        lost = rest(site.stores + i, site.batteries + i, 0.0)
        if lost > 0:
            add(site.totals, SUM_LOST, lost)
        book_loss(site, i, 1.0, site.sides.pools[i].charge, site.draws[i].taken, NULL)


cdef inline void settle_row(SiteMemory *site, const double *given) noexcept nogil:
    """Book a row of late energy; as in the stub."""
    cdef Row row = read_row(site, given)
    cdef Flows moved
    cdef Lane *lane
    cdef double gained[SUM_CORE]
    cdef bint sound
    cdef int i
    if not 0 <= given[1] <= MOST_INTENSITY:
        return
    row.hours = row.per_hour = 1.0  # so that powers and rates are Wh and g
    row.energies = given + site.columns[ENERGY]
    for i in range(site.busbars):
        lane = site.lanes + i
        lane.moved = flows(site.sides + i, &row, &lane.seen)
        lane.seen = told(site.sides + i, row.powers)
        lane.moved.unnamed = unnamed(site.sides + i, &site.terminals, row.powers)
        judge(site.sides + i, &lane.seen, &lane.moved)
        lane.row = row
        net_late(site, i)
    moved = joined_flows(site.lanes, site.busbars)
    if site.busbars == 1:
        row = site.lanes.row
    for i in range(site.pools):
        draw_late(site, i, &site.lanes[site.sides.pools[i].busbar].row)
    sound = join_open(site)
    for i in range(site.pools):
        if site.draws[i].drawn.opening > 0:
            add(site.totals, SUM_OPENING, site.draws[i].drawn.opening_carbon)
        site.draws[i].before = site.stores[i]
        discharge(site.stores + i, site.trips + i, site.draws[i].drawn.energy)
    for i in range(SUM_CORE):
        gained[i] = 0
    if moved.whole and sound:
        for i in range(site.busbars):
            if site.open.contained > 0:
                settle_unpriced(site, i, gained)
            else:
                settle_busbar(site, i, gained)
        if site.busbars > 1:
            release(site.totals, site.held, not site.open.contained > 0, gained)
        settle(site.totals, site.open, &row, &moved, gained)
        forget_open(site)
    else:
        for i in range(site.busbars):
            leave_open(site, i, gained)
        book_unsettled(site.totals, site.open, &row, &moved, gained)
        if moved.whole:
            forget_open(site)
    rest_late(site)
