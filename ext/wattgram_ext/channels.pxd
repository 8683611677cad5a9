# cython: language_level=3, cdivision=True
"""Flows and balance of a busbar from a row's samples, counters and fuel rates: METHOD 4.1, 4.5, 4.7.

A site has one busbar, or one for each incomer (METHOD-SITE 8.4). `busbars` adds the flows of several.
"""

from libc.math cimport NAN, fabs, isnan

from .units cimport LEAST_POWER, MOST_POWER, MOST_RATE, positive
from .windows cimport COVERAGE, FLOW_CHARGE, FLOW_COUNT, FLOW_DISCHARGE, FLOW_EXPORT, FLOW_GENERATION, FLOW_IMPORT
from .windows cimport FLOW_PV, GROUP_COUNT, POWER_COUNT


cdef extern from *:
    """
    #define NOISE 0.02            /* METHOD 4.5: a negative load up to this share of the inflow is meter noise */
    #define ROUNDING 1e-9         /* of the sum of magnitudes: rounding error of a difference of sums, not a flow */
    """
    const double NOISE
    const double ROUNDING


cdef enum:               # kinds of channels: the roles in order, then sub-meters by group, and without a group
    GRID, PV, WIND, HYDRO, GENSET, CHP, BATTERY, METERS
    TERMINAL = METERS + GROUP_COUNT + 1   # of hybrids; no flow of its own
    KIND_COUNT


cdef struct Row:         # an input row
    double seconds
    double hours
    double per_hour      # 1 / hours
    double grid          # g/Wh
    double grid_clean
    const double *powers
    const double *energies   # NULL if the interval has none
    const double *carbon     # NULL without the column
    const double *soc    # of each pool; NULL without the column
    double certificates  # Wh
    double certificate   # g/Wh of them
    double official      # g/Wh of the location-based ledger
    double residual      # g/Wh of the market-based ledger; NaN = unknown


cdef struct Flows:       # powers of an interval, W; only residual and groups may be negative
    double load
    double imported
    double exported
    double pv
    double generation
    double discharge
    double charge
    double residual      # NaN if a sub-meter is missing
    double renewable     # pv, wind, hydro
    double renewable_carbon  # g/h
    double pv_carbon     # g/h
    double fuel          # genset, chp
    double fuel_carbon   # g/h
    double upstream      # g/h of it that is not of the combustion
    double groups[GROUP_COUNT]
    double coverage
    double unaccounted   # of a balanced interval: meter noise below a load of 0
    double terminal      # of hybrids whose split is unknown, + into the site
    double contained     # share of the channels that these terminals contain
    int hidden           # number of these channels
    int unnamed          # number of unknown batteries that have no channel
    int present          # channels of the balance that are present, of `expected`
    int expected
    bint known[FLOW_COUNT]   # whether every channel of the flow is present
    bint whole           # whether every flow is known, or contained in a terminal that is known
    bint unpriced        # whether the load is known, and its mix is not


cdef struct Seen:        # number of present channels
    int grid
    int pv
    int generation
    int battery
    int meters


cdef struct BatteryGroup:        # the batteries of a node
    int busbar
    int first            # index of the first battery in `Channels.order`
    int last             # the end
    double discharge     # W of an interval
    double charge


cdef struct Channels:    # of a busbar; the pointers are to all channels of the site
    int busbar
    int count            # of the site
    int firsts[KIND_COUNT + 1]   # index of each kind's first channel in `order`; the next kind's is its end
    bint grouped         # whether a sub-meter has a group
    int pool_count       # of the site
    BatteryGroup *pools
    int *order           # channels sorted by busbar and kind, batteries also by pool
    double *factor       # g/Wh
    double *upstream     # share of a producer's carbon that is not of the combustion of its fuel
    double *before       # each channel's power at the previous instant, W


cdef inline double counted(double energy, double per_hour, double otherwise) noexcept nogil:
    """Return the power of a counter's Wh; `otherwise` if the counter has no valid energy."""
    cdef double power = energy * per_hour
    if 0 <= power < LEAST_POWER:
        return 0.0
    return power if power <= MOST_POWER and power > 0 else otherwise


cdef inline int count(const Channels *channels, int first, int last) noexcept nogil:
    """Return the number of channels of the kinds first to last."""
    return channels.firsts[last + 1] - channels.firsts[first]


cdef inline double sampled(const Channels *channels, int channel, const double *powers, bint ends) noexcept nogil:
    """Return a channel's mean power over the interval from its samples, W; NaN if missing."""
    cdef double now = powers[channel]
    cdef double before = channels.before[channel]
    cdef double mean
    if not fabs(now) <= MOST_POWER:
        now = NAN
    elif fabs(now) < LEAST_POWER:
        now = 0
    channels.before[channel] = now
    mean = 0.5 * (before + now)
    if not ends or isnan(before):
        return now
    return before if isnan(mean) else mean


cdef inline double net(
    const Channels *channels, int first, int last, const Row *row, bint one_way, int *seen, double *both
) noexcept nogil:
    """Return the sum of the channels from `first` to before `last` in `order`, W; add the number present to `seen`.

    Channels that cancel each other sum to exactly 0: the sign of the remaining rounding error means nothing. Power
    that a channel's two counters counted in both directions is added to `both`. With `one_way`, an unknown power
    against the role's direction counts as 0.
    """
    # copies, because the compiler must assume that writing `before` changes the row's arrays
    cdef const double *powers = row.powers
    cdef const double *energies = row.energies
    cdef bint ends = row.seconds > 0
    cdef double result = 0
    cdef double magnitudes = 0
    cdef double power, forward, backward
    cdef int there = 0
    cdef int i, channel
    for i in range(first, last):
        channel = channels.order[i]
        power = sampled(channels, channel, powers, ends)
        if energies != NULL:
            forward = counted(energies[2 * channel], row.per_hour, positive(power))
            backward = counted(energies[2 * channel + 1], row.per_hour, positive(-power))
            if one_way and isnan(backward):
                backward = 0
            power = forward - backward
            if not isnan(power):
                both[0] += min(forward, backward)
        if not isnan(power):
            there += 1
            result += power
            magnitudes += fabs(power)
    seen[0] += there
    return result if fabs(result) > ROUNDING * magnitudes else 0


cdef inline double net_of(
    const Channels *channels, int kind, const Row *row, bint one_way, int *seen, double *both
) noexcept nogil:
    """Return `net` of the channels of a kind."""
    return net(channels, channels.firsts[kind], channels.firsts[kind + 1], row, one_way, seen, both)


cdef inline void exchange(Channels *channels, const Row *row, Seen *seen, Flows *flows) noexcept nogil:
    """Write what each pool of the busbar moved, and the sums: one pool may charge while another discharges."""
    cdef BatteryGroup *pool
    cdef double both, power
    cdef int i
    flows.discharge = flows.charge = 0
    for i in range(channels.pool_count):
        pool = &channels.pools[i]
        if pool.busbar != channels.busbar:
            continue
        both = 0
        power = net(channels, pool.first, pool.last, row, False, &seen.battery, &both)
        pool.discharge = positive(power) + both
        pool.charge = positive(-power) + both
        flows.discharge += pool.discharge
        flows.charge += pool.charge


cdef inline double produced(
    const Channels *channels, int kind, const Row *row, int *seen, double *carbon, double *upstream
) noexcept nogil:
    """Return the production of a kind's channels, W; add to `seen`, to `carbon` and to `upstream` (g/h).

    A producer that draws power, such as an inverter at night, produces 0 and so adds to the load (4.1). Fuel
    measured at idle counts, too (4.7).
    """
    cdef const double *powers = row.powers
    cdef const double *energies = row.energies
    cdef bint ends = row.seconds > 0
    cdef const double *rates = row.carbon
    cdef double result = 0
    cdef double burnt = 0
    cdef double power, rate
    cdef int there = 0
    cdef int i, channel
    for i in range(channels.firsts[kind], channels.firsts[kind + 1]):
        channel = channels.order[i]
        power = sampled(channels, channel, powers, ends)
        if energies != NULL:
            power = counted(energies[2 * channel], row.per_hour, power)
        rate = 0
        if not isnan(power):
            there += 1
            power = positive(power)
            result += power
            rate = power * channels.factor[channel]
        if rates != NULL and 0 <= rates[channel] <= MOST_RATE:
            rate = rates[channel]
        burnt += rate
        if channels.upstream[channel] > 0:
            upstream[0] += rate * channels.upstream[channel]
    seen[0] += there
    carbon[0] += burnt
    return result


cdef inline Flows flows(Channels *channels, const Row *row, Seen *seen) noexcept nogil:
    """Return the sums of a busbar's channels by kind; store the powers for the next interval.

    Grid channels, and the batteries of a pool, are summed before the sign is taken (4.1): power counted in both
    directions by a channel remains in both, otherwise the sign of the sum decides. `balance` computes the load; until
    `tell`, the residual is the sum of the sub-meters.
    """
    cdef Flows result
    cdef double both = 0
    cdef double ignored = 0
    cdef double power, renewable
    cdef int i
    seen[0] = Seen(0, 0, 0, 0, 0)
    result.load = result.renewable_carbon = result.fuel_carbon = result.coverage = result.unaccounted = 0
    result.upstream = 0
    result.terminal = result.contained = result.hidden = result.unnamed = 0
    result.unpriced = False
    power = net_of(channels, GRID, row, False, &seen.grid, &both)
    result.imported = positive(power) + both
    result.exported = positive(-power) + both
    exchange(channels, row, seen, &result)
    result.residual = net_of(channels, METERS + GROUP_COUNT, row, True, &seen.meters, &ignored)
    for i in range(GROUP_COUNT):
        result.groups[i] = 0
        if channels.grouped:
            result.groups[i] = net_of(channels, METERS + i, row, True, &seen.meters, &ignored)
            result.residual += result.groups[i]
    result.pv = produced(channels, PV, row, &seen.pv, &result.renewable_carbon, &ignored)
    result.pv_carbon = result.renewable_carbon
    renewable = (
        produced(channels, WIND, row, &seen.generation, &result.renewable_carbon, &ignored)
        + produced(channels, HYDRO, row, &seen.generation, &result.renewable_carbon, &ignored)
    )
    result.fuel = (
        produced(channels, GENSET, row, &seen.generation, &result.fuel_carbon, &result.upstream)
        + produced(channels, CHP, row, &seen.generation, &result.fuel_carbon, &result.upstream)
    )
    result.renewable = result.pv + renewable
    result.generation = result.fuel + renewable
    return result


cdef inline int marked(const Channels *channels, int first, int last, const double *powers) noexcept nogil:
    """Return the number of channels of the kinds first to last whose power is a number."""
    cdef int i, result = 0
    for i in range(channels.firsts[first], channels.firsts[last + 1]):
        result += not isnan(powers[channels.order[i]])
    return result


cdef inline Seen told(const Channels *channels, const double *powers) noexcept nogil:
    """Return the channels that a row of late energy marks as known: whose power is a number."""
    return Seen(
        marked(channels, GRID, GRID, powers),
        marked(channels, PV, PV, powers),
        marked(channels, WIND, CHP, powers),
        marked(channels, BATTERY, BATTERY, powers),
        marked(channels, METERS, METERS + GROUP_COUNT, powers),
    )


cdef inline void judge(const Channels *channels, const Seen *seen, Flows *flows) noexcept nogil:
    """Decide which flows are known, and the coverage: the share of the present channels (METHOD-SITE 9.1).

    A channel that a terminal contains is not present, but its power is in that of the terminal; so is the power of a
    battery that has no channel.
    """
    cdef int there = seen.grid + seen.pv + seen.generation + seen.battery
    flows.known[FLOW_IMPORT] = flows.known[FLOW_EXPORT] = seen.grid == count(channels, GRID, GRID)
    flows.known[FLOW_PV] = seen.pv == count(channels, PV, PV)
    flows.known[FLOW_GENERATION] = seen.generation == count(channels, WIND, CHP)
    flows.known[FLOW_DISCHARGE] = flows.known[FLOW_CHARGE] = (
        seen.battery == count(channels, BATTERY, BATTERY) and not flows.hidden and not flows.unnamed
    )
    flows.present = there
    flows.expected = count(channels, GRID, BATTERY)
    flows.whole = there + flows.hidden == flows.expected
    flows.coverage = <double> there / flows.expected if there else 0.0
    if flows.hidden:
        flows.contained = <double> flows.hidden / flows.expected


cdef inline double surplus(const Flows *flows) noexcept nogil:
    """Return the inflow less the outflow of the present channels, W; terminals are no flows."""
    cdef double inflow = flows.imported + flows.renewable + flows.fuel + flows.discharge
    return inflow - (flows.exported + flows.charge)


cdef inline bint balance(Flows *flows) noexcept nogil:
    """Compute the load of a busbar. Return whether the load is known. METHOD 4.1, 4.5, METHOD-SITE 9.1.

    The power of a terminal whose split is unknown is in the load (METHOD-SITE 8.2).
    """
    cdef double inflow
    if not flows.whole:
        return False
    inflow = flows.imported + flows.renewable + flows.fuel + flows.discharge + positive(flows.terminal)
    flows.load = surplus(flows) + flows.terminal
    if flows.load < -NOISE * inflow:
        return False  # a balance fault: wrong sign, swapped transformer or missing meter
    if flows.load <= ROUNDING * inflow:
        if flows.load < -ROUNDING * inflow:
            flows.unaccounted = flows.load
        flows.load = 0
    flows.unpriced = flows.hidden > 0
    return True


cdef inline void tell(const Row *row, Flows *flows, bint metered, bint balanced, double *out) noexcept nogil:
    """Write the known powers of the site to `out`. metered: sub-meters exist, and each is present."""
    cdef double[FLOW_COUNT] powers
    cdef int i
    out[COVERAGE] = flows.coverage
    powers[FLOW_IMPORT] = flows.imported
    powers[FLOW_EXPORT] = flows.exported
    powers[FLOW_PV] = flows.pv
    powers[FLOW_GENERATION] = flows.generation
    powers[FLOW_DISCHARGE] = flows.discharge
    powers[FLOW_CHARGE] = flows.charge
    for i in range(FLOW_COUNT):
        if flows.known[i]:
            out[1 + i] = powers[i]
            out[POWER_COUNT + 1 + i] = powers[i] * row.hours
    if not balanced:
        return
    flows.residual = flows.residual - flows.load if metered else NAN
    out[0] = flows.load
    out[7] = flows.residual
    out[POWER_COUNT] = flows.load * row.hours
    out[POWER_COUNT + 7] = flows.residual * row.hours
