# cython: language_level=3, cdivision=True
"""Book an interval's carbon in its row and in the sums: inventories, groups, certificates; METHOD 4.8 to 4.10."""

from libc.math cimport isnan

from .channels cimport ROUNDING, Flows, Row, surplus
from .sharing cimport SOURCE_COUNT, Parcel, Shares
from .units cimport WH_PER_KWH, positive
from .windows cimport *


cdef struct Tariff:      # factors of the inventories, g/Wh
    double residual
    double official      # NaN = the row's
    double certificate


cdef struct Open:        # what was booked without a load since the quarter began; all doubles
    double energy[FLOW_COUNT]    # Wh
    double partial[FLOW_COUNT]   # Wh while the flow was not known
    double known[FLOW_COUNT]     # s
    double signal        # s
    double covered       # s
    double unaccounted   # Wh
    double unaccounted_carbon    # g
    double groups[GROUP_COUNT]   # Wh
    double sources[4 * SOURCE_COUNT]   # Wh, g, Wh, Wh of each source's parcel
    double charge_carbon # g
    double charge_clean  # Wh
    double charge_own    # Wh
    double terminal      # Wh of terminals whose split was unknown
    double contained     # s, weighted with the share of the channels in these terminals


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
    """Write what the present channels moved, per hour, whether the load is known or not."""
    gained[SUM_IMPORT] = flows.imported
    gained[SUM_EXPORT] = flows.exported
    gained[SUM_PV] = flows.pv
    gained[SUM_GENERATION] = flows.generation
    gained[SUM_DISCHARGE] = flows.discharge
    gained[SUM_CHARGE] = flows.charge
    gained[SUM_SCOPE1] = flows.fuel_carbon
    gained[SUM_SCOPE2_LOCATION] = flows.imported * row.official
    gained[SUM_SCOPE2_MARKET] = flows.imported * tariff.residual
    gained[SUM_IMPORT_CARBON] = flows.imported * row.grid
    gained[SUM_RENEWABLE_CARBON] = flows.renewable_carbon
    gained[SUM_PV_CARBON] = flows.pv_carbon
    gained[SUM_DISCHARGE_CARBON] = sources[1].carbon
    gained[SUM_FUEL] = flows.fuel


cdef inline void gain_load(
    const Row *row, double exported, double renewable, const Shares *shares, double *gained
) noexcept nogil:
    """Write what follows from the load, per hour."""
    gained[SUM_EMISSION] = shares.load.carbon
    gained[SUM_AVOIDED] = (shares.load.own + exported) * row.grid - shares.exported.carbon
    gained[SUM_EXPORT_CARBON] = shares.exported.carbon
    gained[SUM_CLEAN_LOAD] = shares.load.clean
    gained[SUM_OWN_LOAD] = shares.load.own
    gained[SUM_OWN_EXPORT] = shares.exported.own
    gained[SUM_OWN_PRODUCTION] = renewable


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


cdef inline void keep_open(
    Open *open, const Flows *flows, const Shares *shares, const Parcel *sources, const double *gained, double hours
) noexcept nogil:
    """Remember an interval without a load, for `settle`; the numbers of `gained` are of the interval."""
    cdef int i
    for i in range(FLOW_COUNT):
        open.energy[i] += gained[SUM_IMPORT + i]
        open.partial[i] += gained[SUM_IMPORT + i] - gained[SUM_KNOWN_ENERGY + i]
        open.known[i] += gained[SUM_KNOWN + i]
    open.signal += gained[SUM_SIGNAL_TIME]
    open.covered += gained[SUM_COVERED]
    open.unaccounted += gained[SUM_UNACCOUNTED]
    open.unaccounted_carbon += gained[SUM_UNACCOUNTED_CARBON]
    for i in range(GROUP_COUNT):
        open.groups[i] += flows.groups[i] * hours
    for i in range(SOURCE_COUNT):
        open.sources[4 * i] += sources[i].power * hours
        open.sources[4 * i + 1] += sources[i].carbon * hours
        open.sources[4 * i + 2] += sources[i].clean * hours
        open.sources[4 * i + 3] += sources[i].own * hours
    open.charge_carbon += shares.charge.carbon * hours
    open.charge_clean += shares.charge.clean * hours
    open.charge_own += shares.charge.own * hours
    open.terminal += flows.terminal * hours
    open.contained += gained[SUM_SIGNAL_TIME] * flows.contained


cdef inline void gain_unpriced_load(const Flows *flows, double *gained) noexcept nogil:
    """Write a load whose mix is unknown, per hour: energy that no other flow balances is unaccounted."""
    gained[SUM_LOAD] = flows.load
    gained[SUM_RESIDUAL] = 0 if isnan(flows.residual) else flows.residual
    gained[SUM_UNACCOUNTED] -= flows.load


cdef inline void book_unpriced(Sums *totals, double load, double seconds) noexcept nogil:
    """Book a load, Wh, that is in the sums, as one without a mix."""
    add(totals, SUM_UNPRICED_LOAD, load)
    add(totals, SUM_UNPRICED_TIME, seconds)


cdef inline void book(
    Sums *totals,
    Open *open,
    const Sums *hour,
    const Tariff *tariff,
    bint grouped,
    const Row *row,
    const Flows *flows,
    const Shares *shares,
    const Parcel *sources,
    bint balanced,
    double *out,
) noexcept nogil:
    """Book an interval in its row and, if it has a length, in the sums.

    open: NULL if the load is known, or stays unknown because the meters contradict each other. hour: sums at the hour's
    start; NULL without certificates. balanced: the load and its mix are known. The carbon of unknown flows, and energy
    without a counterpart, are unaccounted.
    """
    cdef double gained[SUM_CORE]
    cdef double matched
    cdef int i
    for i in range(SUM_CORE):
        gained[i] = 0
    gain_flows(tariff, row, flows, sources, gained)
    gained[SUM_CHARGE_CARBON] = shares.charge.carbon
    gained[SUM_UNACCOUNTED] = flows.unaccounted
    if balanced:
        gained[SUM_LOAD] = flows.load
        gained[SUM_RESIDUAL] = 0 if isnan(flows.residual) else flows.residual
        gain_load(row, flows.exported, flows.renewable, shares, gained)
    else:
        gained[SUM_UNACCOUNTED] = surplus(flows)
        gained[SUM_UNACCOUNTED_CARBON] = carbon_of(sources) - shares.charge.carbon
        if flows.unpriced:
            gain_unpriced_load(flows, gained)
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
        gained[SUM_SCOPE2_MARKET] -= matched * (tariff.residual - tariff.certificate)
    show(row, flows, shares, gained, balanced, out)
    if not row.seconds > 0:
        return
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    if flows.unpriced:
        book_unpriced(totals, gained[SUM_LOAD], row.seconds)
    if grouped and balanced:
        book_groups(totals, row.hours, flows.groups, flows.load, &shares.load)
    elif grouped:
        for i in range(GROUP_COUNT):
            add(totals, SUM_GROUP_ENERGY + i, flows.groups[i] * row.hours)
            if not flows.unpriced:
                add(totals, SUM_GROUP_OPEN + i, flows.groups[i] * row.hours)
    if not balanced and open != NULL:
        keep_open(open, flows, shares, sources, gained, row.hours)
    if hour != NULL:
        certify(totals, hour)


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


cdef inline double exchanged(const Open *open, const Flows *late) noexcept nogil:
    """Return the Wh that went in by one incomer and out by another: in neither import nor export (METHOD-SITE 8.4).

    The time in which an incomer was unknown is one interval, as the late energy is known for it only as a whole. As in
    `channels.net`, the sign of the sum decides, and what one side counted in both directions remains in both.
    """
    cdef double known = open.partial[FLOW_IMPORT] - open.partial[FLOW_EXPORT]
    cdef double told = late.imported - late.exported
    return positive(known) + positive(told) - positive(known + told)


cdef inline void book_unsettled(
    Sums *totals,
    Open *open,
    const Tariff *tariff,
    bint grouped,
    const Row *row,
    const Flows *flows,
    const Shares *shares,
    const Parcel *late,
) noexcept nogil:
    """Book late energy while another flow is still unknown, or contradicts it; arguments as of `settle`."""
    cdef double gained[SUM_CORE]
    cdef int i
    for i in range(SUM_CORE):
        gained[i] = 0
    gain_flows(tariff, row, flows, late, gained)
    gained[SUM_CHARGE_CARBON] = shares.charge.carbon
    gained[SUM_UNACCOUNTED] = surplus(flows)
    gained[SUM_UNACCOUNTED_CARBON] = carbon_of(late) - shares.charge.carbon
    gain_time(open, row, flows, 0.0 if flows.whole else flows.coverage, gained)
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    if grouped:
        for i in range(GROUP_COUNT):
            add(totals, SUM_GROUP_ENERGY + i, flows.groups[i])
            add(totals, SUM_GROUP_OPEN + i, flows.groups[i])
    keep_open(open, flows, shares, late, gained, 1.0)
    for i in range(FLOW_COUNT):
        if tells(open, flows, i):
            open.partial[i] = 0


cdef inline void settle(
    Sums *totals,
    const Open *open,
    const Tariff *tariff,
    bint grouped,
    const Row *row,
    const Flows *flows,
    const Parcel *late,
    const Parcel *sources,
    const Shares *shares,
    double charge_carbon,
    double load,
) noexcept nogil:
    """Book late energy, and the load of the time in which a flow was unknown.

    row: `hours` 1, `seconds` without a load since the quarter began. flows, late: the late energy, Wh, and its parcels.
    sources, shares: late and open energy together. charge_carbon: g that the store takes beyond the open charge's.
    """
    cdef double gained[SUM_CORE]
    cdef double groups[GROUP_COUNT]
    cdef int i
    for i in range(SUM_CORE):
        gained[i] = 0
    gain_flows(tariff, row, flows, late, gained)
    gain_load(row, open.energy[FLOW_EXPORT] + flows.exported, sources[0].power, shares, gained)
    gained[SUM_LOAD] = max(load, 0.0)
    gained[SUM_CHARGE_CARBON] = charge_carbon
    gained[SUM_UNACCOUNTED] = min(load, 0.0) - open.unaccounted
    gained[SUM_UNACCOUNTED_CARBON] = (
        carbon_of(late) - charge_carbon - shares.load.carbon - shares.exported.carbon
    )
    gained[SUM_TIME] = row.seconds
    gain_time(open, row, flows, 1.0, gained)
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    if grouped:
        for i in range(GROUP_COUNT):
            groups[i] = flows.groups[i] + open.groups[i]
            add(totals, SUM_GROUP_ENERGY + i, -open.groups[i])
            add(totals, SUM_GROUP_OPEN + i, -open.groups[i])
        book_groups(totals, 1.0, groups, load, &shares.load)


cdef inline void settle_unpriced(
    Sums *totals,
    const Open *open,
    const Tariff *tariff,
    bint grouped,
    const Row *row,
    const Flows *flows,
    const Shares *shares,
    const Parcel *late,
    double surplus,
) noexcept nogil:
    """Book late energy, and the load of a time in which the split of a terminal was unknown; arguments as of `settle`.

    surplus: inflow less outflow of late and open energy together, Wh, without that of the terminals. The load has no
    mix, and the charge keeps the mix of the known inflows.
    """
    cdef double gained[SUM_CORE]
    cdef int i
    for i in range(SUM_CORE):
        gained[i] = 0
    gain_flows(tariff, row, flows, late, gained)
    gained[SUM_LOAD] = max(surplus + open.terminal, 0.0)
    gained[SUM_CHARGE_CARBON] = shares.charge.carbon
    gained[SUM_UNACCOUNTED] = surplus - gained[SUM_LOAD] - open.unaccounted
    gained[SUM_UNACCOUNTED_CARBON] = carbon_of(late) - shares.charge.carbon
    gained[SUM_TIME] = row.seconds
    gain_time(open, row, flows, 1.0, gained)
    for i in range(SUM_CORE):
        add(totals, i, gained[i])
    book_unpriced(totals, gained[SUM_LOAD], row.seconds)
    if grouped:
        for i in range(GROUP_COUNT):
            add(totals, SUM_GROUP_ENERGY + i, flows.groups[i])
            add(totals, SUM_GROUP_OPEN + i, -open.groups[i])
