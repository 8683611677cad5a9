# cython: language_level=3, cdivision=True
"""Book late energy, and what was booked without a load since the quarter began: METHOD-SITE 9.1, 9.3."""

from .booking cimport (
    Held, Open, OpenBusbar, Tariff, book_unpriced, carbon_of, gain_flows, gain_load, keep_open,
)
from .channels cimport Flows, Row
from .sharing cimport Parcel, Shares
from .units cimport WH_PER_KWH, positive
from .windows cimport *


cdef inline bint tells(const Open *open, const Flows *flows, int flow) noexcept nogil:
    """Return whether late energy makes a flow known for the whole time without a load."""
    return flows.known[flow] and not (
        open.contained > 0 and (flow == FLOW_PV or flow == FLOW_DISCHARGE or flow == FLOW_CHARGE)
    )


cdef inline void gain_time(const Open *open, const Row *row, const Flows *flows, double covered, double *gained) noexcept nogil:
    """Write the time in which late energy makes flows known, s, and their energy in it, Wh.

    row: `seconds` without a load since the quarter began. covered: share of this time that is known now. Flows that
    a terminal contained in a part of the time stay as they are.
    """
    cdef double missing = max(row.seconds - open.signal, 0.0)
    cdef int i
    gained[SUM_GRID] = row.grid * WH_PER_KWH * missing
    gained[SUM_SIGNAL_TIME] = missing
    gained[SUM_COVERED] = max(row.seconds * covered - open.contained - open.covered, 0.0)
    for i in range(FLOW_COUNT):
        if tells(open, flows, i):
            gained[SUM_KNOWN + i] = max(row.seconds - open.known[i], 0.0)
            gained[SUM_KNOWN_ENERGY + i] = open.partial[i] + gained[SUM_IMPORT + i]


cdef inline double exchanged(const OpenBusbar *open, const Flows *late) noexcept nogil:
    """Return the Wh that went in by one incomer and out by another: in neither import nor export (METHOD-SITE 8.4).

    The time in which an incomer was unknown is one interval, as the late energy is known for it only as a whole. As in
    `channels.net`, the sign of the sum decides, and what one side counted in both directions remains in both.
    """
    cdef double known = open.partial_import - open.partial_export
    cdef double told = late.imported - late.exported
    return positive(known) + positive(told) - positive(known + told)


cdef inline void book_unsettled(
    Sums *totals, Open *open, const Row *row, const Flows *flows, double *gained
) noexcept nogil:
    """Book late energy while another flow is still unknown, or contradicts it; arguments as of `settle`."""
    cdef int i
    gain_time(open, row, flows, 0.0 if flows.whole else flows.coverage, gained)
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    keep_open(open, flows, gained)
    for i in range(FLOW_COUNT):
        if tells(open, flows, i):
            open.partial[i] = 0


cdef inline void gain_late(
    const Tariff *tariff,
    const Row *row,
    const Flows *flows,
    const Parcel *late,
    double load,
    double charge_carbon,
    double unaccounted,
    double unaccounted_carbon,
    double *gained,
) noexcept nogil:
    """Add the late energy of a busbar, and its load; Wh and g."""
    gain_flows(tariff, row, flows, late, gained)
    gained[SUM_LOAD] += max(load, 0.0)
    gained[SUM_CHARGE_CARBON] += charge_carbon
    gained[SUM_UNACCOUNTED] += unaccounted
    gained[SUM_UNACCOUNTED_CARBON] += unaccounted_carbon


cdef inline void gain_settled(
    const OpenBusbar *open,
    const Tariff *tariff,
    const Row *row,
    const Flows *flows,
    const Parcel *late,
    const Parcel *sources,
    const Shares *shares,
    double charge_carbon,
    double load,
    double *gained,
) noexcept nogil:
    """Add what a busbar gains from late energy and from the time in which a flow of it was unknown.

    row: `hours` 1, `seconds` without a load since the quarter began. flows, late: the late energy, Wh, and its parcels.
    sources, shares: late and open energy together. charge_carbon: g that the stores take beyond the open charge's.
    """
    cdef double left = carbon_of(late) - charge_carbon - shares.load.carbon - shares.exported.carbon
    gain_late(tariff, row, flows, late, load, charge_carbon, min(load, 0.0), left, gained)
    gain_load(row, open.exported + flows.exported, sources[0].power, shares, gained)


cdef inline void gain_unpriced(
    const Tariff *tariff,
    const Row *row,
    const Flows *flows,
    const Parcel *late,
    const Shares *shares,
    double surplus,
    double load,
    double *gained,
) noexcept nogil:
    """Add what a busbar gains after a time in which the split of a terminal was unknown; arguments as of `gain_settled`.

    surplus: inflow less outflow of late and open energy together, Wh, without that of the terminals. The load has no
    mix, and the charge keeps the mix of the known inflows.
    """
    cdef double charge_carbon = shares.charge.carbon
    cdef double left = carbon_of(late) - charge_carbon
    gain_late(tariff, row, flows, late, load, charge_carbon, surplus - max(load, 0.0), left, gained)


cdef inline void release(Sums *totals, const Held *held, bint priced, double *gained) noexcept nogil:
    """Add what busbars gained while the load of the site was unknown, and book their groups.

    priced: the mix of the site is known now, too; otherwise the carbon stays unaccounted.
    """
    cdef int i
    gained[SUM_LOAD] += held.load
    gained[SUM_UNACCOUNTED] += held.noise
    for i in range(GROUP_COUNT):
        add(totals, SUM_GROUP_OPEN + i, -held.groups[i])
    if not priced:
        return
    gained[SUM_UNACCOUNTED_CARBON] -= held.emission + held.exported_carbon
    gained[SUM_EMISSION] += held.emission
    gained[SUM_AVOIDED] += held.avoided
    gained[SUM_EXPORT_CARBON] += held.exported_carbon
    gained[SUM_CLEAN_LOAD] += held.clean_load
    gained[SUM_OWN_LOAD] += held.own_load
    gained[SUM_OWN_EXPORT] += held.own_export
    gained[SUM_OWN_PRODUCTION] += held.own_production
    for i in range(GROUP_COUNT):
        add(totals, SUM_GROUP_EMISSION + i, held.group_emission[i])
        add(totals, SUM_GROUP_OWN + i, held.group_own[i])


cdef inline void settle(
    Sums *totals, const Open *open, const Row *row, const Flows *flows, double *gained
) noexcept nogil:
    """Book late energy of the site, and the load of the time in which a flow was unknown.

    row: as of `gain_settled`. flows: of the site. gained: `gain_settled` or `gain_unpriced` of all busbars, and
    `release`.
    """
    cdef int i
    gained[SUM_UNACCOUNTED] -= open.unaccounted
    gained[SUM_TIME] = row.seconds
    gain_time(open, row, flows, 1.0, gained)
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    if open.contained > 0:
        book_unpriced(totals, gained[SUM_LOAD], row.seconds)
