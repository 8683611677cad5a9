# cython: language_level=3, cdivision=True
"""A row of an instant through the five steps: read, balance, allocate, book, move into the pools.

Without a load, the present channels are booked all the same: their surplus is unaccounted, until `late_row` settles the
time (METHOD-SITE 9, 12). Balance and allocation are those of each busbar; the sums are the site's alone.
"""

from libc.math cimport INFINITY, NAN, isnan

from .amounts cimport AMOUNT_COUNT, take, wait
from .booking cimport book, gain, gain_unpriced_load, hold, keep_busbar
from .busbars cimport Lane, joined_flows, joined_shares, sources_of
from .channels cimport METERS, Flows, Row, balance, count, flows, judge, tell
from .given_row cimport given_number, read_row
from .group_use cimport book_groups, book_open_groups, keep_quarter
from .pool_moves cimport draw_pools, drawn_on, move_pools, next_intensity, note_reports, show_stock
from .sharing cimport Parcel, Shares, share_by_method, share_known
from .site_memory cimport BIOGENIC, BURNT, CAPTURED_MASS, CERTIFICATES, ENDS, HEAT, SiteMemory
from .site_windows cimport CLOSED_COUNT, close_window
from .terminals cimport Contained, hide, remember
from .units cimport G_PER_KG, MOST_INTENSITY, MOST_POWER, MOST_RATE, WH_PER_KWH
from .windows cimport (
    BATTERY_INTENSITY, CAPTURED, COVERAGE, GRID_INTENSITY, GROUP_COUNT, LOSS_EMISSION, LOSS_ENERGY, OUTPUT_COUNT,
    SCOPE1, STOCK_EMISSION, STOCK_ENERGY, SUM_CAPTURED, SUM_CAPTURED_TIME, SUM_CORE, SUM_SCOPE2_MARKET, Sums, add,
)


cdef inline void take_amounts(SiteMemory *site, const double *given, double seconds) noexcept nogil:
    """Add the known amounts of fuel and heat, with or without a balance."""
    cdef int i
    wait(&site.waiting, site.windows, seconds)
    for i in range(AMOUNT_COUNT):
        take(&site.waiting, site.windows, site.totals, site.starts, i, given_number(site, given, BURNT + i))


cdef inline void take_apart(SiteMemory *site, const double *given, const Row *row, double *out) noexcept nogil:
    """Take what passes beside the balance: captured carbon, fuel and heat."""
    cdef double captured = given_number(site, given, CAPTURED_MASS)
    if row.seconds > 0 and 0 <= captured <= MOST_POWER:
        out[CAPTURED] = captured * G_PER_KG
        add(site.totals, SUM_CAPTURED, out[CAPTURED])
        add(site.totals, SUM_CAPTURED_TIME, row.seconds)
    if site.columns[BURNT] >= 0 or site.columns[BIOGENIC] >= 0 or site.columns[HEAT] >= 0:
        take_amounts(site, given, row.seconds)


cdef inline void mend_market(SiteMemory *site, const Row *row) noexcept nogil:
    """Start the market-based sum anew after a time with an unknown residual mix: running windows stay unknown."""
    cdef int i
    if isnan(row.residual) or not isnan(site.totals.high[SUM_SCOPE2_MARKET]):
        return
    site.totals.high[SUM_SCOPE2_MARKET] = site.totals.low[SUM_SCOPE2_MARKET] = 0
    for i in range(site.windows):
        site.starts[i].high[SUM_SCOPE2_MARKET] = NAN
        site.starts[i].low[SUM_SCOPE2_MARKET] = 0


cdef inline void move_flows(SiteMemory *site, Row *row) noexcept nogil:
    """Write the flows of each busbar to its lane; terminals replace the channels of an unknown split."""
    cdef const double *powers = row.powers
    cdef bint contained = False
    cdef int i
    if site.terminals.count:
        for i in range(site.busbars):
            site.contained[i] = Contained(0, 0, 0)
        contained = hide(site.sides, &site.terminals, row, site.contained)
    for i in range(site.busbars):
        site.lanes[i].moved = flows(site.sides + i, row, &site.lanes[i].seen)
        site.lanes[i].moved.unnamed = site.contained[i].batteries
        if contained:
            site.lanes[i].moved.terminal = site.contained[i].power
            site.lanes[i].moved.hidden = site.contained[i].channels
    if contained:
        remember(site.sides, &site.terminals, powers)


cdef inline bint balances(SiteMemory *site, const Row *row, Flows *moved, double *out) noexcept nogil:
    """Compute the balance of each busbar and write that of the site to `out`. Return whether its load is known.

    moved: receives the flows of the site; those of the one busbar in place.
    """
    cdef Lane *lane
    cdef bint balanced = True
    cdef int i, meters = 0, seen = 0
    for i in range(site.busbars):
        lane = site.lanes + i
        judge(site.sides + i, &lane.seen, &lane.moved)
        lane.balanced = balance(&lane.moved)
        balanced = balanced and lane.balanced
        meters += count(site.sides + i, METERS, METERS + GROUP_COUNT)
        seen += lane.seen.meters
    if site.busbars > 1:
        moved[0] = joined_flows(site.lanes, site.busbars)
    if moved.coverage > 0 or moved.hidden:
        tell(row, moved, meters > 0 and seen == meters, balanced, out)
    return balanced


cdef inline void allocate(
    SiteMemory *site, const Row *row, const Parcel *drawn, bint priced, bint unpriced, double *gained
) noexcept nogil:
    """Share out the carbon of each busbar, and write what the site gains, per hour.

    drawn: what all pools deliver. priced: the load of the site and its mix are known. unpriced: the load alone is.
    """
    cdef Parcel delivered = drawn[0]
    cdef Lane *lane
    cdef int i
    for i in range(SUM_CORE):
        gained[i] = 0
    for i in range(site.busbars):
        lane = site.lanes + i
        if site.busbars > 1:
            delivered = drawn_on(site, i)
        sources_of(row, &lane.moved, &delivered, lane.sources)
        if lane.balanced and not lane.moved.hidden:
            lane.shares = share_by_method(
                site.local_first, lane.sources, lane.moved.load, lane.moved.charge, lane.moved.exported
            )
        else:
            lane.shares = share_known(
                lane.sources, lane.moved.charge, lane.moved.exported, row.grid, row.grid_clean
            )
        gain(&site.tariff, row, &lane.moved, &lane.shares, lane.sources, priced, gained)
        if unpriced:
            gain_unpriced_load(&lane.moved, gained)


cdef inline void book_parts(SiteMemory *site, const Row *row, bint priced, bint unpriced, bint kept) noexcept nogil:
    """Book the groups of each busbar. kept: remember the interval for `settle`."""
    cdef const Lane *lane
    cdef int i
    for i in range(site.busbars):
        lane = site.lanes + i
        if site.sides[i].grouped and priced:
            book_groups(site.totals, row.hours, lane.moved.groups, lane.moved.load, &lane.shares.load)
        elif site.sides[i].grouped:
            book_open_groups(site.totals, row.hours, &lane.moved, unpriced)
        if site.sides[i].grouped:
            keep_quarter(
                site.quarters + i, row, lane.moved.load, &lane.shares.load, priced or unpriced, priced,
                kept and lane.balanced and not lane.moved.hidden, kept,
                lane.seen.meters < count(site.sides + i, METERS, METERS + GROUP_COUNT),
            )
        if kept and lane.balanced and not lane.moved.hidden:
            hold(site.held, row, &lane.moved, &lane.shares)
        elif kept:
            keep_busbar(site.open_sides + i, &lane.moved, lane.sources, row.hours)


cdef inline void compute_row(SiteMemory *site, const double *given, double *out) noexcept nogil:
    """Compute an output row from an input row; both as in the stub."""
    cdef Row row = read_row(site, given)
    cdef Flows joined
    cdef Shares joined_parts
    cdef Flows *moved = &joined if site.busbars > 1 else &site.lanes.moved
    cdef Shares *shares = &joined_parts if site.busbars > 1 else &site.lanes.shares
    cdef Parcel drawn
    cdef double gained[SUM_CORE]
    cdef double burnt = given_number(site, given, BURNT)
    cdef const Sums *hour = site.starts + site.hour if site.columns[CERTIFICATES] >= 0 else NULL
    cdef bint known, priced, kept
    cdef int i
    mend_market(site, &row)
    move_flows(site, &row)
    for i in range(OUTPUT_COUNT):
        out[i] = NAN
    out[COVERAGE] = 0
    take_apart(site, given, &row, out)
    if not 0 <= given[1] <= MOST_INTENSITY:
        return
    out[GRID_INTENSITY] = given[1]
    known = balances(site, &row, moved, out)
    moved.unpriced = moved.unpriced and known  # of the site: a busbar alone says nothing of it
    priced = known and not moved.unpriced
    if not out[COVERAGE] > 0 and not moved.hidden:
        return
    note_reports(site, &row)
    drawn = draw_pools(site, &row)
    if moved.discharge > 0:
        out[BATTERY_INTENSITY] = drawn.carbon / moved.discharge * WH_PER_KWH
    else:
        out[BATTERY_INTENSITY] = next_intensity(site) * WH_PER_KWH
    allocate(site, &row, &drawn, priced, moved.unpriced, gained)
    if site.busbars > 1:
        joined_parts = joined_shares(site.lanes, site.busbars)
    kept = row.seconds > 0 and not moved.whole
    book(
        site.totals, NULL if moved.whole else site.open, hour, &row, moved, shares, gained, priced, out
    )
    if row.seconds > 0:
        book_parts(site, &row, priced, moved.unpriced, kept)
    if site.columns[BURNT] >= 0:
        out[SCOPE1] += burnt if 0 <= burnt <= MOST_RATE else NAN
    move_pools(site, &row, kept, out)
    show_stock(site, out)
    if moved.hidden:  # what a battery does is unknown, and so is the stock at this instant
        out[BATTERY_INTENSITY] = out[LOSS_ENERGY] = out[LOSS_EMISSION] = NAN
        out[STOCK_ENERGY] = out[STOCK_EMISSION] = NAN


cdef inline void compute_rows(
    SiteMemory *site, const double *given, Py_ssize_t rows, double *out, double *closed
) noexcept nogil:
    """Compute the output rows of a block, and the rows of CLOSED of the windows that end in it."""
    cdef Py_ssize_t i
    cdef const double *ends
    cdef int window
    for i in range(rows):
        compute_row(site, given + i * site.width, out + i * OUTPUT_COUNT)
        if site.columns[ENDS] < 0:
            continue
        ends = given + i * site.width + site.columns[ENDS]
        for window in range(site.windows):
            if 0 < ends[window] < INFINITY:
                close_window(site, i, window, ends[window], closed)
                closed += CLOSED_COUNT


cdef inline Py_ssize_t ends_in(const SiteMemory *site, const double *given, Py_ssize_t rows) noexcept nogil:
    """Return the number of windows that end in the rows of a block."""
    cdef Py_ssize_t i, result = 0
    cdef int window
    for i in range(rows):
        for window in range(site.windows):
            result += 0 < given[i * site.width + site.columns[ENDS] + window] < INFINITY
    return result
