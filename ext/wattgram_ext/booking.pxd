# cython: language_level=3, cdivision=True
"""Book an interval's carbon in its row and in the sums: inventories, groups, certificates; METHOD 4.8 to 4.10."""

from libc.math cimport isnan

from .channels cimport ROUNDING, Flows, Row
from .pool cimport Delivery
from .sharing cimport Parcel, Shares
from .units cimport WH_PER_KWH, positive
from .windows cimport *


cdef struct Tariff:      # factors of the inventories, g/Wh
    double residual
    double official      # NaN = the row's
    double certificate


cdef inline void book_groups(Sums *totals, const Row *row, const Flows *flows, const Parcel *load) noexcept nogil:
    """Book the groups: their energy has the load's mix."""
    cdef double energy
    cdef double carbon = load.carbon / flows.load if flows.load > 0 else 0.0
    cdef double own = load.own / flows.load if flows.load > 0 else 0.0
    cdef int i
    for i in range(GROUP_COUNT):
        energy = flows.groups[i] * row.hours
        add(totals, SUM_GROUP_ENERGY + i, energy)
        add(totals, SUM_GROUP_EMISSION + i, energy * carbon)
        add(totals, SUM_GROUP_OWN + i, energy * own)


cdef inline double match(Sums *totals, const Sums *hour, double offered, double imported) noexcept nogil:
    """Return the Wh of certificates that an interval adds to the hour's match (METHOD 4.8).

    The match is limited by the hour's certificates and by its import.
    """
    cdef double matched
    add(totals, SUM_CERTIFICATES, offered)
    matched = min(since(totals, hour, SUM_CERTIFICATES), since(totals, hour, SUM_IMPORT) + imported)
    matched = positive(matched - since(totals, hour, SUM_MATCHED))
    add(totals, SUM_MATCHED, matched)
    return matched


cdef inline void certify(Sums *totals, const Sums *hour) noexcept nogil:
    """Book the Wh of the hour's load that certificates make clean (METHOD 4.9).

    Certificates cover load without own renewables; only the share of it that was not clean counts.
    """
    cdef double load = since(totals, hour, SUM_LOAD)
    cdef double left = load - since(totals, hour, SUM_OWN_LOAD)
    cdef double dirty = load - since(totals, hour, SUM_CLEAN_LOAD)
    cdef double certified = 0
    if left > ROUNDING * load:
        certified = min(since(totals, hour, SUM_MATCHED), left) * dirty / left
    add(totals, SUM_CERTIFIED, certified - since(totals, hour, SUM_CERTIFIED))


cdef inline void book(
    Sums *totals,
    const Sums *hour,
    const Tariff *tariff,
    bint grouped,
    const Row *row,
    const Flows *flows,
    const Shares *shares,
    const Delivery *drawn,
    double *out,
) noexcept nogil:
    """Book an interval in its row and, if it has a length, in the sums.

    hour: sums at the hour's start; NULL without certificates.
    """
    cdef double gained[SUM_CORE]
    cdef const Parcel *load = &shares.load
    cdef const Parcel *exported = &shares.exported
    cdef double matched
    cdef int i
    gained[SUM_LOAD] = flows.load
    gained[SUM_IMPORT] = flows.imported
    gained[SUM_EXPORT] = flows.exported
    gained[SUM_PV] = flows.pv
    gained[SUM_GENERATION] = flows.generation
    gained[SUM_DISCHARGE] = flows.discharge
    gained[SUM_CHARGE] = flows.charge
    gained[SUM_RESIDUAL] = 0 if isnan(flows.residual) else flows.residual
    gained[SUM_EMISSION] = load.carbon
    gained[SUM_SCOPE1] = flows.fuel_carbon
    gained[SUM_SCOPE2_LOCATION] = flows.imported * row.official
    gained[SUM_SCOPE2_MARKET] = flows.imported * tariff.residual
    gained[SUM_AVOIDED] = (load.own + flows.exported) * row.grid - exported.carbon
    gained[SUM_IMPORT_CARBON] = flows.imported * row.grid
    gained[SUM_RENEWABLE_CARBON] = flows.renewable_carbon
    gained[SUM_EXPORT_CARBON] = exported.carbon
    gained[SUM_DISCHARGE_CARBON] = drawn.parcel.carbon
    gained[SUM_CLEAN_LOAD] = load.clean
    gained[SUM_OWN_LOAD] = load.own
    gained[SUM_OWN_EXPORT] = exported.own
    gained[SUM_OWN_PRODUCTION] = flows.renewable
    gained[SUM_FUEL] = flows.fuel
    for i in range(SUM_GRID):
        gained[i] *= row.hours
    gained[SUM_GRID] = row.grid * WH_PER_KWH * row.seconds
    gained[SUM_TIME] = row.seconds
    gained[SUM_COVERED] = row.seconds * flows.coverage
    gained[SUM_RESIDUAL_TIME] = 0 if isnan(flows.residual) else row.seconds
    if hour != NULL:
        matched = match(totals, hour, row.certificates, gained[SUM_IMPORT])
        gained[SUM_SCOPE2_MARKET] -= matched * (tariff.residual - tariff.certificate)

    out[EMISSION_INTENSITY] = ratio(load.carbon, flows.load) * WH_PER_KWH
    out[EMISSION_RATE] = load.carbon
    for i in range(5):
        out[EMISSION + i] = gained[SUM_EMISSION + i]
    out[CLEAN_SHARE] = share(load.clean, flows.load)
    out[SELF_CONSUMPTION] = share(flows.renewable - exported.own, flows.renewable)
    out[SELF_SUFFICIENCY] = share(load.own, flows.load)
    if not row.seconds > 0:
        return
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    if drawn.opening > 0:
        add(totals, SUM_OPENING, drawn.opening * row.grid)
    if grouped:
        book_groups(totals, row, flows, load)
    if hour != NULL:
        certify(totals, hour)
