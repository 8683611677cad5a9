# cython: language_level=3, cdivision=True
"""The groups' use of a busbar as a part of its load: METHOD-SITE 8.3. Late use has the mix of the load of its quarter."""

from .booking cimport OpenBusbar
from .channels cimport Flows, Row
from .sharing cimport Parcel, Shares
from .windows cimport *


cdef struct Mix:         # a load and what is in it; all doubles
    double load          # Wh
    double carbon        # g
    double own           # Wh


cdef struct Quarter:     # load of a busbar since the quarter began, for late energy of its sub-meters; all doubles
    Mix known            # while the load of the site was known; of a load without a mix, the energy alone
    Mix held             # while the load of the busbar was known, and that of the site was not
    double metered       # s without a sub-meter of the busbar, and with a load of the site
    double waiting       # s without either, until `settle`
    double lost          # s without a sub-meter, and with a load that no late energy settles


cdef inline void append_load(Mix *mix, double load, double carbon, double own) noexcept nogil:
    mix.load += load
    mix.carbon += carbon
    mix.own += own


cdef inline void keep_quarter(
    Quarter *quarter, const Row *row, double load, const Parcel *parcel, bint known, bint priced, bint held, bint kept,
    bint missing
) noexcept nogil:
    """Remember an interval of a busbar, for late energy of its sub-meters.

    known: the load of the site is known. priced: and its mix. held: the load of the busbar alone is known. kept: the
    interval waits for `settle`. missing: a sub-meter of the busbar is.
    """
    cdef double hours = row.hours
    if known:
        append_load(
            &quarter.known, load * hours, parcel.carbon * hours if priced else 0.0, parcel.own * hours if priced else 0.0
        )
    elif held:
        append_load(&quarter.held, load * hours, parcel.carbon * hours, parcel.own * hours)
    if missing:
        if known:
            quarter.metered += row.seconds
        elif kept:
            quarter.waiting += row.seconds
        else:
            quarter.lost += row.seconds


cdef inline double part_of_time(double time, const Quarter *quarter) noexcept nogil:
    """Return a part of the time without a sub-meter as a share of that time; 0 if no sub-meter was missing."""
    cdef double whole = quarter.metered + quarter.waiting + quarter.lost
    return time / whole if time > 0 else 0.0


cdef inline void settle_quarter(Quarter *quarter, double load, const Parcel *parcel, bint priced) noexcept nogil:
    """Take the load that late energy settled, Wh, and the loads that waited for it. priced: with their mix."""
    append_load(&quarter.known, quarter.held.load + load, 0, 0)
    if priced:
        append_load(&quarter.known, 0, quarter.held.carbon + parcel.carbon, quarter.held.own + parcel.own)
    quarter.metered += quarter.waiting
    quarter.waiting = 0
    quarter.held = Mix(0, 0, 0)


cdef inline void book_late_groups(
    Sums *totals, const Quarter *quarter, const double *groups, double unknown
) noexcept nogil:
    """Book late energy of the groups, Wh: it has the mix of the load of its quarter.

    unknown: the part of this energy that belongs to a time without a load.
    """
    cdef const Mix *mix = &quarter.known
    cdef double carbon = mix.carbon / mix.load if mix.load > 0 else 0.0
    cdef double own = mix.own / mix.load if mix.load > 0 else 0.0
    cdef double known = 1 - unknown
    cdef int i
    for i in range(GROUP_COUNT):
        if groups[i] != 0:
            add(totals, SUM_GROUP_ENERGY + i, groups[i])
            add(totals, SUM_GROUP_OPEN + i, groups[i] * unknown)
            add(totals, SUM_GROUP_EMISSION + i, groups[i] * known * carbon)
            add(totals, SUM_GROUP_OWN + i, groups[i] * known * own)


cdef inline void book_groups(Sums *totals, double hours, const double *groups, double used, const Parcel *load) noexcept nogil:
    """Book the groups' use, W, as a part of a load of `used` W: their energy has the load's mix."""
    cdef double energy
    cdef double carbon = load.carbon / used if used > 0 else 0.0
    cdef double own = load.own / used if used > 0 else 0.0
    cdef int i
    for i in range(GROUP_COUNT):
        energy = groups[i] * hours
        add(totals, SUM_GROUP_ENERGY + i, energy)
        add(totals, SUM_GROUP_EMISSION + i, energy * carbon)
        add(totals, SUM_GROUP_OWN + i, energy * own)


cdef inline void book_open_groups(Sums *totals, double hours, const Flows *flows, bint unpriced) noexcept nogil:
    """Book the groups' use while there is no load, or, `unpriced`, a load of the site without a mix."""
    cdef int i
    for i in range(GROUP_COUNT):
        add(totals, SUM_GROUP_ENERGY + i, flows.groups[i] * hours)
        if not unpriced:
            add(totals, SUM_GROUP_OPEN + i, flows.groups[i] * hours)


cdef inline void book_unpriced_groups(
    Sums *totals, Quarter *quarter, const OpenBusbar *open, const Flows *flows, double load
) noexcept nogil:
    """Book the groups' use of a busbar, Wh, as a part of a load without a mix."""
    cdef Parcel none = Parcel(0, 0, 0, 0)
    cdef int i
    for i in range(GROUP_COUNT):
        add(totals, SUM_GROUP_OPEN + i, -open.groups[i])
    settle_quarter(quarter, max(load, 0.0), &none, False)
    book_late_groups(totals, quarter, flows.groups, part_of_time(quarter.lost, quarter))


cdef inline void book_settled_groups(
    Sums *totals, Quarter *quarter, const OpenBusbar *open, const Flows *flows, const Shares *shares, double load
) noexcept nogil:
    """Book the groups' use of a busbar, Wh, as a part of the load that is known now."""
    cdef int i
    for i in range(GROUP_COUNT):
        add(totals, SUM_GROUP_ENERGY + i, -open.groups[i])
        add(totals, SUM_GROUP_OPEN + i, -open.groups[i])
    book_groups(totals, 1.0, open.groups, load, &shares.load)
    settle_quarter(quarter, max(load, 0.0), &shares.load, True)
    book_late_groups(totals, quarter, flows.groups, part_of_time(quarter.lost, quarter))


cdef inline void book_waiting_groups(
    Sums *totals, Quarter *quarter, double missing, Flows *flows
) noexcept nogil:
    """Book late energy of the groups, Wh, while there is no load for a part of its time; leave that part in `flows`.

    missing: s without a load of which there were no rows.
    """
    cdef double unknown
    cdef int i
    quarter.waiting += missing
    unknown = 1 - part_of_time(quarter.metered, quarter)
    quarter.waiting -= missing
    book_late_groups(totals, quarter, flows.groups, unknown)
    for i in range(GROUP_COUNT):
        flows.groups[i] *= unknown
