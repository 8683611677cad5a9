# cython: language_level=3, cdivision=True
"""Allocation of carbon to the outflows of an interval: the two rules of METHOD 4.4."""

from libc.math cimport INFINITY


cdef enum:
    SOURCE_COUNT = 4     # renewables, battery, fuel, import: the order of local-first


cdef struct Parcel:      # power with carbon and shares
    double power         # W
    double carbon        # g/h
    double clean         # W
    double own           # W of own renewable production


cdef struct Shares:      # the parcel of each outflow
    Parcel load
    Parcel charge
    Parcel exported


cdef inline void give(const Parcel *source, Parcel *target, double power) noexcept nogil:
    """Add `power` W of a source to a target, with their part of carbon and shares."""
    cdef double part = power / source.power
    target.power += power
    target.carbon += source.carbon * part
    target.clean += source.clean * part
    target.own += source.own * part


cdef inline Parcel part_of(const Parcel *whole, double part) noexcept nogil:
    return Parcel(whole.power * part, whole.carbon * part, whole.clean * part, whole.own * part)


cdef inline Parcel part_for(const Parcel *whole, double part, double charge) noexcept nogil:
    """Return the part of what a busbar charges that is a pool's: `part` of `charge`."""
    if not part > 0:
        return Parcel(0, 0, 0, 0)
    return whole[0] if part == charge else part_of(whole, part / charge)


cdef inline Shares share_proportionally(
    const Parcel *sources, double load, double charge, double exported
) noexcept nogil:
    """Allocate proportionally (the default): every outflow has the mix of the inflows.

    The inflows' carbon is distributed over the outflows, so that meter noise neither creates nor loses carbon.
    Without an outflow, the carbon belongs to the load.
    """
    cdef Parcel inflow = Parcel(0, 0, 0, 0)
    cdef Parcel none = Parcel(0, 0, 0, 0)
    cdef double outflow = load + charge + exported
    cdef int i
    for i in range(SOURCE_COUNT):
        inflow.power += sources[i].power
        inflow.carbon += sources[i].carbon
        inflow.clean += sources[i].clean
        inflow.own += sources[i].own
    if not outflow > 0:
        return Shares(inflow, none, none)
    return Shares(
        part_of(&inflow, load / outflow), part_of(&inflow, charge / outflow), part_of(&inflow, exported / outflow)
    )


cdef inline void serve(const Parcel *sources, double *left, Parcel *target, double power) noexcept nogil:
    """Supply an outflow of `power` W from the remaining sources, in their order."""
    cdef double given
    cdef int i
    for i in range(SOURCE_COUNT):
        given = min(power, left[i])
        if given > 0:
            give(&sources[i], target, given)
            left[i] -= given
            power -= given


cdef inline Shares share_locally(
    const Parcel *sources, double load, double charge, double exported
) noexcept nogil:
    """Allocate local-first: renewables, battery, fuel and import are used in this order.

    The load comes first, then charging, then export. The last existing outflow receives the remainder, so that meter
    noise neither creates nor loses carbon. The carbon of an idle producer belongs to the load.
    """
    cdef Parcel none = Parcel(0, 0, 0, 0)
    cdef Shares result = Shares(none, none, none)
    cdef double left[SOURCE_COUNT]
    cdef int i
    for i in range(SOURCE_COUNT):
        left[i] = sources[i].power
        if not left[i] > 0:
            result.load.carbon += sources[i].carbon
    if not exported > 0:
        if charge > 0:
            charge = INFINITY
        else:
            load = INFINITY
    serve(sources, left, &result.load, load)
    serve(sources, left, &result.charge, charge)
    serve(sources, left, &result.exported, INFINITY)
    return result


cdef inline Shares share_by_method(
    bint locally, const Parcel *sources, double load, double charge, double exported
) noexcept nogil:
    """Allocate by the selected method: local-first, or proportionally."""
    if locally:
        return share_locally(sources, load, charge, exported)
    return share_proportionally(sources, load, charge, exported)


cdef inline Shares share_known(
    const Parcel *sources, double charge, double exported, double grid, double grid_clean
) noexcept nogil:
    """Allocate while the load is unknown: only the charge gets carbon, because the store must have an intensity.

    The charge has the mix of the known inflows. Power that flows out in excess of them came from an unknown source,
    and counts with the grid's intensity, so that the store is never too clean (METHOD-SITE 9.1).
    """
    cdef Parcel none = Parcel(0, 0, 0, 0)
    cdef Parcel inflow = Parcel(0, 0, 0, 0)
    cdef double whole, missing, part
    cdef int i
    if not charge > 0:
        return Shares(none, none, none)
    for i in range(SOURCE_COUNT):
        inflow.power += sources[i].power
        inflow.carbon += sources[i].carbon
        inflow.clean += sources[i].clean
        inflow.own += sources[i].own
    whole = max(inflow.power, charge + exported)
    missing = whole - inflow.power
    part = charge / whole
    return Shares(
        none,
        Parcel(
            charge,
            (inflow.carbon + missing * grid) * part,
            (inflow.clean + missing * grid_clean) * part,
            inflow.own * part,
        ),
        none,
    )
