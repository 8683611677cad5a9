# cython: language_level=3, cdivision=True
"""Book an interval's carbon in its row and in the sums: inventories and certificates; METHOD 4.8 to 4.10.

Time without a load is kept for `late_booking`.
"""

from libc.math cimport isnan

from .channels cimport ROUNDING, Flows, Row, surplus
from .sharing cimport SOURCE_COUNT, Parcel, Shares
from .units cimport WH_PER_KWH, positive
from .windows cimport *


cdef struct Tariff:      # factors of the inventories, g/Wh
    double residual      # where the row has none; NaN = unknown
    double official      # NaN = the row's
    double certificate   # where the row has none


cdef struct Open:        # what was booked without a load since the quarter began; all doubles
    double energy[FLOW_COUNT]    # Wh
    double partial[FLOW_COUNT]   # Wh while the flow was not known
    double known[FLOW_COUNT]     # s
    double signal        # s
    double covered       # s
    double unaccounted   # Wh
    double unaccounted_carbon    # g
    double contained     # s, weighted with the share of the channels in terminals whose split was unknown


cdef struct Held:        # of it: busbars whose own load was known, while the site's was not; all doubles
    double load          # Wh
    double noise         # Wh of meter noise below a load of 0
    double emission      # g
    double avoided       # g
    double exported_carbon       # g
    double clean_load    # Wh
    double own_load      # Wh
    double own_export    # Wh
    double own_production        # Wh
    double groups[GROUP_COUNT]   # Wh
    double group_emission[GROUP_COUNT]   # g
    double group_own[GROUP_COUNT]        # Wh


cdef struct OpenBusbar:  # of it: a busbar's part without a load of its own; all doubles
    double exported      # Wh
    double groups[GROUP_COUNT]   # Wh
    double sources[4 * SOURCE_COUNT]   # Wh, g, Wh, Wh of each source's parcel
    double terminal      # Wh of terminals whose split was unknown
    double partial_import        # Wh while an incomer of the busbar was not known
    double partial_export


cdef struct OpenCharge:  # of it: what a pool of such a busbar was charged with; all doubles
    double energy        # Wh
    double carbon        # g
    double clean         # Wh
    double own           # Wh


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
    cdef double load = since(totals, hour, SUM_LOAD) - since(totals, hour, SUM_UNPRICED_LOAD)
    cdef double left = load - since(totals, hour, SUM_OWN_LOAD)
    cdef double dirty = load - since(totals, hour, SUM_CLEAN_LOAD)
    cdef double certified = 0
    if left > ROUNDING * load:
        certified = min(since(totals, hour, SUM_MATCHED), left) * dirty / left
    add(totals, SUM_CERTIFIED, certified - since(totals, hour, SUM_CERTIFIED))


cdef inline double carbon_of(const Parcel *sources) noexcept nogil:
    """Return the carbon of all sources, g/h."""
    cdef double result = 0
    cdef int i
    for i in range(SOURCE_COUNT):
        result += sources[i].carbon
    return result


cdef inline void gain_flows(
    const Tariff *tariff, const Row *row, const Flows *flows, const Parcel *sources, double *gained
) noexcept nogil:
    """Add what the present channels of a busbar moved, per hour, whether the load is known or not."""
    gained[SUM_IMPORT] += flows.imported
    gained[SUM_EXPORT] += flows.exported
    gained[SUM_PV] += flows.pv
    gained[SUM_GENERATION] += flows.generation
    gained[SUM_DISCHARGE] += flows.discharge
    gained[SUM_CHARGE] += flows.charge
    gained[SUM_SCOPE1] += flows.fuel_carbon - flows.upstream
    gained[SUM_SCOPE2_LOCATION] += flows.imported * row.official
    if flows.imported > 0:  # an unknown residual mix leaves the sum unknown, but not without an import
        gained[SUM_SCOPE2_MARKET] += flows.imported * row.residual
    gained[SUM_IMPORT_CARBON] += flows.imported * row.grid
    gained[SUM_RENEWABLE_CARBON] += flows.renewable_carbon + flows.upstream
    gained[SUM_PV_CARBON] += flows.pv_carbon
    gained[SUM_DISCHARGE_CARBON] += sources[1].carbon
    gained[SUM_FUEL] += flows.fuel


cdef inline void gain_load(
    const Row *row, double exported, double renewable, const Shares *shares, double *gained
) noexcept nogil:
    """Add what follows from the load of a busbar, per hour."""
    gained[SUM_EMISSION] += shares.load.carbon
    gained[SUM_AVOIDED] += (shares.load.own + exported) * row.grid - shares.exported.carbon
    gained[SUM_EXPORT_CARBON] += shares.exported.carbon
    gained[SUM_CLEAN_LOAD] += shares.load.clean
    gained[SUM_OWN_LOAD] += shares.load.own
    gained[SUM_OWN_EXPORT] += shares.exported.own
    gained[SUM_OWN_PRODUCTION] += renewable


cdef inline void gain(
    const Tariff *tariff,
    const Row *row,
    const Flows *flows,
    const Shares *shares,
    const Parcel *sources,
    bint balanced,
    double *gained,
) noexcept nogil:
    """Add what a busbar gained in an interval, per hour. balanced: the load of the site and its mix are known.

    The carbon of unknown flows and the energy of an unknown load are unaccounted.
    """
    gain_flows(tariff, row, flows, sources, gained)
    gained[SUM_CHARGE_CARBON] += shares.charge.carbon
    if balanced:
        gained[SUM_UNACCOUNTED] += flows.unaccounted
        gained[SUM_LOAD] += flows.load
        gain_load(row, flows.exported, flows.renewable, shares, gained)
    else:
        gained[SUM_UNACCOUNTED] += surplus(flows)
        gained[SUM_UNACCOUNTED_CARBON] += carbon_of(sources) - shares.charge.carbon


cdef inline void gain_unpriced_load(const Flows *flows, double *gained) noexcept nogil:
    """Add the load of a busbar while the mix of the site is unknown: energy that no other flow balances is unaccounted."""
    gained[SUM_LOAD] += flows.load
    gained[SUM_UNACCOUNTED] -= flows.load


cdef inline void book_unpriced(Sums *totals, double load, double seconds) noexcept nogil:
    """Book a load, Wh, that is in the sums, as one without a mix."""
    add(totals, SUM_UNPRICED_LOAD, load)
    add(totals, SUM_UNPRICED_TIME, seconds)


cdef inline void show(
    const Row *row, const Flows *flows, const Shares *shares, const double *gained, bint balanced, double *out
) noexcept nogil:
    """Write the interval's carbon to its row: of each known flow, and of the load if there is a balance."""
    out[UNACCOUNTED_ENERGY] = gained[SUM_UNACCOUNTED]
    out[UNACCOUNTED_EMISSION] = gained[SUM_UNACCOUNTED_CARBON]
    if flows.known[FLOW_IMPORT]:
        out[FLOW_EMISSION + FLOW_IMPORT] = gained[SUM_IMPORT_CARBON]
        out[SCOPE2_LOCATION] = gained[SUM_SCOPE2_LOCATION]
        out[SCOPE2_MARKET] = gained[SUM_SCOPE2_MARKET]
    if flows.known[FLOW_PV]:
        out[FLOW_EMISSION + FLOW_PV] = gained[SUM_PV_CARBON]
    if flows.known[FLOW_GENERATION]:
        out[SCOPE1] = gained[SUM_SCOPE1]
        out[FLOW_EMISSION + FLOW_GENERATION] = gained[SUM_RENEWABLE_CARBON] - gained[SUM_PV_CARBON] + out[SCOPE1]
    if flows.known[FLOW_DISCHARGE]:
        out[FLOW_EMISSION + FLOW_DISCHARGE] = gained[SUM_DISCHARGE_CARBON]
    if not balanced:
        return
    out[FLOW_EMISSION + FLOW_EXPORT] = gained[SUM_EXPORT_CARBON]
    out[FLOW_EMISSION + FLOW_CHARGE] = gained[SUM_CHARGE_CARBON]
    out[EMISSION_INTENSITY] = ratio(shares.load.carbon, flows.load) * WH_PER_KWH
    out[EMISSION_RATE] = shares.load.carbon
    out[EMISSION] = gained[SUM_EMISSION]
    out[AVOIDED] = gained[SUM_AVOIDED]
    out[CLEAN_SHARE] = share(shares.load.clean, flows.load)
    out[SELF_CONSUMPTION] = share(flows.renewable - shares.exported.own, flows.renewable)
    out[SELF_SUFFICIENCY] = share(shares.load.own, flows.load)


cdef inline void keep_open(Open *open, const Flows *flows, const double *gained) noexcept nogil:
    """Remember an interval without a load, for `late_booking.settle`; the numbers of `gained` are of the interval."""
    cdef int i
    for i in range(FLOW_COUNT):
        open.energy[i] += gained[SUM_IMPORT + i]
        open.partial[i] += gained[SUM_IMPORT + i] - gained[SUM_KNOWN_ENERGY + i]
        open.known[i] += gained[SUM_KNOWN + i]
    open.signal += gained[SUM_SIGNAL_TIME]
    open.covered += gained[SUM_COVERED]
    open.unaccounted += gained[SUM_UNACCOUNTED]
    open.unaccounted_carbon += gained[SUM_UNACCOUNTED_CARBON]
    open.contained += gained[SUM_SIGNAL_TIME] * flows.contained


cdef inline void keep_busbar(OpenBusbar *open, const Flows *flows, const Parcel *sources, double hours) noexcept nogil:
    """Remember an interval of a busbar without a load of its own, for `late_booking.settle`."""
    cdef int i
    open.exported += flows.exported * hours
    for i in range(GROUP_COUNT):
        open.groups[i] += flows.groups[i] * hours
    for i in range(SOURCE_COUNT):
        open.sources[4 * i] += sources[i].power * hours
        open.sources[4 * i + 1] += sources[i].carbon * hours
        open.sources[4 * i + 2] += sources[i].clean * hours
        open.sources[4 * i + 3] += sources[i].own * hours
    open.terminal += flows.terminal * hours
    if not flows.known[FLOW_IMPORT]:
        open.partial_import += flows.imported * hours
        open.partial_export += flows.exported * hours


cdef inline void keep_charge(OpenCharge *open, const Parcel *arrival, double hours) noexcept nogil:
    """Remember what a pool of such a busbar was charged with, for `late_booking.settle`."""
    open.energy += arrival.power * hours
    open.carbon += arrival.carbon * hours
    open.clean += arrival.clean * hours
    open.own += arrival.own * hours


cdef inline void hold(Held *held, const Row *row, const Flows *flows, const Shares *shares) noexcept nogil:
    """Remember the load of a busbar while the load of the site is unknown, for `late_booking.release`."""
    cdef double gained[SUM_CORE]
    cdef double hours = row.hours
    cdef double carbon = shares.load.carbon / flows.load if flows.load > 0 else 0.0
    cdef double own = shares.load.own / flows.load if flows.load > 0 else 0.0
    cdef int i
    for i in range(SUM_CORE):
        gained[i] = 0
    gain_load(row, flows.exported, flows.renewable, shares, gained)
    held.load += flows.load * hours
    held.noise += flows.unaccounted * hours
    held.emission += gained[SUM_EMISSION] * hours
    held.avoided += gained[SUM_AVOIDED] * hours
    held.exported_carbon += gained[SUM_EXPORT_CARBON] * hours
    held.clean_load += gained[SUM_CLEAN_LOAD] * hours
    held.own_load += gained[SUM_OWN_LOAD] * hours
    held.own_export += gained[SUM_OWN_EXPORT] * hours
    held.own_production += gained[SUM_OWN_PRODUCTION] * hours
    for i in range(GROUP_COUNT):
        held.groups[i] += flows.groups[i] * hours
        held.group_emission[i] += flows.groups[i] * carbon * hours
        held.group_own[i] += flows.groups[i] * own * hours


cdef inline void book(
    Sums *totals,
    Open *open,
    const Sums *hour,
    const Row *row,
    const Flows *flows,
    const Shares *shares,
    double *gained,
    bint balanced,
    double *out,
) noexcept nogil:
    """Book an interval of the site in its row and, if it has a length, in the sums.

    open: NULL if the load is known, or stays unknown because the meters contradict each other. hour: sums at the hour's
    start; NULL without certificates. gained: `gain` of all busbars; afterwards the numbers of the interval. balanced: the
    load and its mix are known; with `flows.unpriced`, the load alone.
    """
    cdef double matched
    cdef int i
    if balanced or flows.unpriced:
        gained[SUM_RESIDUAL] = 0 if isnan(flows.residual) else flows.residual
    for i in range(SUM_CORE):
        gained[i] *= row.hours
    gained[SUM_GRID] = row.grid * WH_PER_KWH * row.seconds
    gained[SUM_SIGNAL_TIME] = row.seconds
    if balanced or flows.unpriced or open != NULL:
        gained[SUM_COVERED] = row.seconds * flows.coverage
    if balanced or flows.unpriced:
        gained[SUM_TIME] = row.seconds
        gained[SUM_RESIDUAL_TIME] = 0 if isnan(flows.residual) else row.seconds
    for i in range(FLOW_COUNT):
        if flows.known[i]:
            gained[SUM_KNOWN + i] = row.seconds
            gained[SUM_KNOWN_ENERGY + i] = gained[SUM_IMPORT + i]
    if hour != NULL and flows.known[FLOW_IMPORT]:
        matched = match(totals, hour, row.certificates, gained[SUM_IMPORT])
        if matched > 0:
            gained[SUM_SCOPE2_MARKET] -= matched * (row.residual - row.certificate)
    show(row, flows, shares, gained, balanced, out)
    if not row.seconds > 0:
        return
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    if flows.unpriced:
        book_unpriced(totals, gained[SUM_LOAD], row.seconds)
    if not balanced and open != NULL:
        keep_open(open, flows, gained)
    if hour != NULL:
        certify(totals, hour)
