# cython: language_level=3, cdivision=True
"""Who gets whose carbon: the two rules of METHOD 4.4 over one interval's flows."""

from libc.math cimport INFINITY


cdef enum:
    SOURCE_COUNT = 4     # renewables, battery, fuel, import: the order of local first


cdef struct Parcel:      # power and what it carries
    double power         # W
    double carbon        # g/h
    double clean         # W
    double own           # W of own renewable production


cdef struct Shares:      # what reached each outflow
    Parcel load
    Parcel charge
    Parcel exported


cdef inline void give(const Parcel *source, Parcel *target, double power) noexcept nogil:
    """So many W of a source, with their part of what it carries."""
    cdef double part = power / source.power
    target.power += power
    target.carbon += source.carbon * part
    target.clean += source.clean * part
    target.own += source.own * part


cdef inline Parcel part_of(const Parcel *whole, double part) noexcept nogil:
    return Parcel(whole.power * part, whole.carbon * part, whole.clean * part, whole.own * part)


cdef inline Shares share_proportionally(
    const Parcel *sources, double load, double charge, double exported
) noexcept nogil:
    """The default: every outflow carries the mix of the inflows.

    The inflow's carbon is spread over the outflows, which is the same as the mix but for meter noise; so
    none is made or lost when the meters disagree. Where nothing flows out, what burns is the load's.
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
    """Fill an outflow of `power` W with what is left of the sources, in their order."""
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
    """Local first: renewables, battery, fuel and import are used up in that order.

    The load is served first, then charging, then export; the last outflow that there is takes all that is
    left, so that meter noise neither makes nor loses carbon. What an idle producer burns is the load's.
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
