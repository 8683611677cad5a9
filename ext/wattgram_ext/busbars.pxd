# cython: language_level=3, cdivision=True
"""Several busbars: each has a balance and a mix of its own, and the site's figures are their sums (METHOD-SITE 8.4)."""

from .channels cimport Flows, Row, Seen
from .pool cimport Delivery, Stock
from .sharing cimport SOURCE_COUNT, Parcel, Shares
from .windows cimport *


cdef struct Lane:        # a busbar in the computation of a row
    Seen seen
    Flows moved
    Parcel sources[SOURCE_COUNT]
    Shares shares
    Parcel late[SOURCE_COUNT]    # of a row of late energy; then `sources` and the next contain the open energy, too
    Row row              # of late energy, with the price of the busbar
    double netted        # Wh of it that went in by one incomer and out by another
    double charged
    double surplus       # without the terminals' energy
    double load
    bint balanced        # whether the load of the busbar is known


cdef struct Draw:        # a pool in the computation of a row
    Delivery drawn
    Stock before
    double taken         # g of the charge, with a row of late energy


cdef inline void append(Parcel *whole, const Parcel *part) noexcept nogil:
    whole.power += part.power
    whole.carbon += part.carbon
    whole.clean += part.clean
    whole.own += part.own


cdef inline void sources_of(
    const Row *row, const Flows *flows, const Parcel *drawn, Parcel *sources
) noexcept nogil:
    """Write the inflows of a busbar by source. drawn: what its pools deliver."""
    sources[0] = Parcel(flows.renewable, flows.renewable_carbon, flows.renewable, flows.renewable)
    sources[1] = drawn[0]
    sources[2] = Parcel(flows.fuel, flows.fuel_carbon, 0, 0)
    sources[3] = Parcel(flows.imported, flows.imported * row.grid, flows.imported * row.grid_clean, 0)


cdef inline Shares joined_shares(const Lane *lanes, int count) noexcept nogil:
    """Return the sums of the busbars' shares."""
    cdef Shares result = lanes[0].shares
    cdef int i
    for i in range(1, count):
        append(&result.load, &lanes[i].shares.load)
        append(&result.charge, &lanes[i].shares.charge)
        append(&result.exported, &lanes[i].shares.exported)
    return result


cdef inline Flows joined_flows(const Lane *lanes, int count) noexcept nogil:
    """Return the sums of the busbars' flows. A flow of the site is known if it is known on each busbar."""
    cdef Flows result = lanes[0].moved
    cdef const Flows *part
    cdef int i, flow
    for i in range(1, count):
        part = &lanes[i].moved
        result.load += part.load
        result.imported += part.imported
        result.exported += part.exported
        result.pv += part.pv
        result.generation += part.generation
        result.discharge += part.discharge
        result.charge += part.charge
        result.residual += part.residual
        result.renewable += part.renewable
        result.renewable_carbon += part.renewable_carbon
        result.pv_carbon += part.pv_carbon
        result.fuel += part.fuel
        result.fuel_carbon += part.fuel_carbon
        result.upstream += part.upstream
        result.unaccounted += part.unaccounted
        result.terminal += part.terminal
        result.hidden += part.hidden
        result.unpriced = result.unpriced or part.unpriced
        result.present += part.present
        result.expected += part.expected
        result.whole = result.whole and part.whole
        for flow in range(FLOW_COUNT):
            result.known[flow] = result.known[flow] and part.known[flow]
        for flow in range(GROUP_COUNT):
            result.groups[flow] += part.groups[flow]
    if count > 1:
        result.coverage = <double> result.present / result.expected if result.present else 0.0
        result.contained = <double> result.hidden / result.expected if result.hidden else 0.0
    return result
