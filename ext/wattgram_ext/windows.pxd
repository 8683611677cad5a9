# cython: language_level=3, cdivision=True
"""Running sums, and a window's numbers from its sums: always ratios of sums.

The sums since the start are double-doubles. A window is the difference to a snapshot of the sums, so a running window
costs nothing.
"""

from libc.math cimport NAN, isnan

from .units cimport MOST_INTENSITY, SECONDS_PER_HOUR, WH_PER_KWH


cdef extern from *:
    """
    #define ROUNDED 1e-9          /* of a window's sum: a smaller difference is a rounding error */
    """
    const double ROUNDED


cdef enum:
    POWER_COUNT = 8      # load, import, export, pv, generation, discharge, charge, residual
    GROUP_COUNT = 4


cdef enum:               # flows of the balance, as the powers after the load
    FLOW_IMPORT
    FLOW_EXPORT
    FLOW_PV
    FLOW_GENERATION
    FLOW_DISCHARGE
    FLOW_CHARGE
    FLOW_COUNT


cdef enum:               # indices in an output row after powers and energies; as OUTPUTS
    EMISSION_INTENSITY = 16
    GRID_INTENSITY
    BATTERY_INTENSITY
    EMISSION_RATE
    EMISSION
    SCOPE1
    SCOPE2_LOCATION
    SCOPE2_MARKET
    AVOIDED
    CAPTURED
    CLEAN_SHARE
    SELF_CONSUMPTION
    SELF_SUFFICIENCY
    COVERAGE
    UNACCOUNTED_ENERGY
    LOSS_ENERGY
    FLOW_EMISSION        # of each flow, in their order
    LOSS_EMISSION = FLOW_EMISSION + FLOW_COUNT
    UNACCOUNTED_EMISSION
    STOCK_ENERGY
    STOCK_EMISSION
    OUTPUT_COUNT


cdef enum:               # indices after the three numbers of each group and of the rest; as DETAILS
    FUEL_ENERGY = 15
    FUEL_RATE
    FUEL_INTENSITY
    MATCHED_ENERGY
    CARBON_FREE_SHARE
    FUEL_EMISSION
    HEAT_FUEL_EMISSION
    BIOGENIC_EMISSION
    HEAT_ENERGY
    DETAIL_COUNT


cdef enum:               # running sums; the first eight are the energies in the order of the powers
    SUM_LOAD
    SUM_IMPORT
    SUM_EXPORT
    SUM_PV
    SUM_GENERATION
    SUM_DISCHARGE
    SUM_CHARGE
    SUM_RESIDUAL
    SUM_EMISSION         # g of the load; further sums as OUTPUTS
    SUM_SCOPE1           # of the fuel of electricity alone
    SUM_SCOPE2_LOCATION
    SUM_SCOPE2_MARKET
    SUM_AVOIDED
    SUM_IMPORT_CARBON    # g
    SUM_RENEWABLE_CARBON
    SUM_EXPORT_CARBON
    SUM_DISCHARGE_CARBON
    SUM_CLEAN_LOAD       # Wh
    SUM_OWN_LOAD
    SUM_OWN_EXPORT
    SUM_OWN_PRODUCTION
    SUM_FUEL
    SUM_GRID             # g/kWh x s
    SUM_TIME             # s with a load
    SUM_COVERED          # s weighted by the share of present channels, without balance faults
    SUM_RESIDUAL_TIME    # s with a load and every sub-meter
    SUM_PV_CARBON        # g
    SUM_CHARGE_CARBON
    SUM_UNACCOUNTED      # Wh
    SUM_UNACCOUNTED_CARBON
    SUM_LOSS             # Wh
    SUM_LOSS_CARBON
    SUM_SIGNAL_TIME      # s with a grid signal
    SUM_KNOWN            # s in which a flow was known, for each flow
    SUM_KNOWN_ENERGY = SUM_KNOWN + FLOW_COUNT  # Wh of a flow in the time in which it was known, for each flow
    SUM_CORE = SUM_KNOWN_ENERGY + FLOW_COUNT   # number of sums of every site; the others depend on the configuration
    SUM_GROUP_ENERGY = SUM_CORE
    SUM_GROUP_EMISSION = SUM_GROUP_ENERGY + GROUP_COUNT
    SUM_GROUP_OWN = SUM_GROUP_EMISSION + GROUP_COUNT
    SUM_CERTIFICATES = SUM_GROUP_OWN + GROUP_COUNT
    SUM_MATCHED          # Wh of certificates within the hour's import
    SUM_CERTIFIED        # Wh of load made clean by certificates
    SUM_CAPTURED         # g, with or without a balance
    SUM_CAPTURED_TIME    # s
    SUM_OPENING          # g
    SUM_LOST
    SUM_GROUP_OPEN       # Wh of a group in the time without a load, for each group
    SUM_BURNT = SUM_GROUP_OPEN + GROUP_COUNT  # g of fossil fuel that makes no electricity, with or without a balance
    SUM_BURNT_COUNT      # number of rows with a known amount
    SUM_BIOGENIC         # g
    SUM_BIOGENIC_COUNT
    SUM_HEAT             # Wh of heat meters
    SUM_HEAT_COUNT
    SUM_UNPRICED_LOAD    # Wh of the load whose mix is unknown; part of SUM_LOAD
    SUM_UNPRICED_TIME    # s; part of SUM_TIME
    SUM_COUNT


cdef struct Sums:        # double-doubles, in two arrays so that loops are vectorised
    double high[SUM_COUNT]
    double low[SUM_COUNT]


cdef inline void add(Sums *sums, int i, double value) noexcept nogil:
    """Add by Knuth's TwoSum and renormalise: a relative error of 1e-32 a sum, so years of ticks lose no gram."""
    cdef double high = sums.high[i] + value
    cdef double shadow = high - sums.high[i]
    cdef double low = (sums.high[i] - (high - shadow)) + (value - shadow) + sums.low[i]
    sums.high[i] = high + low
    sums.low[i] = low - (sums.high[i] - high)


cdef inline double since(const Sums *sums, const Sums *start, int i) noexcept nogil:
    """Return the sum since a snapshot, exact to the last bit of a double."""
    cdef double high = sums.high[i] - start.high[i]
    cdef double shadow = high - sums.high[i]
    cdef double low = (sums.high[i] - (high - shadow)) - (start.high[i] + shadow)
    return high + (low + (sums.low[i] - start.low[i]))


cdef inline double share(double part, double whole) noexcept nogil:
    """Return part / whole, limited to 0 to 1; NaN if whole is not positive."""
    if not whole > 0:
        return NAN
    return max(0.0, min(1.0, part / whole))


cdef inline double ratio(double part, double whole) noexcept nogil:
    """Return part / whole; NaN if whole is not positive."""
    return part / whole if whole > 0 else NAN


cdef inline double known(const double *sums, int i) noexcept nogil:
    """Return a sum that has a time or a count of its own; NaN if that is 0."""
    return sums[i] if sums[i + 1] > 0 else NAN


cdef inline double priced(const double *sums, int whole, int unpriced) noexcept nogil:
    """Return the part of a sum with a mix; 0 for the rounding error of two sums that are equal."""
    cdef double part = sums[whole] - sums[unpriced]
    return part if part > ROUNDED * sums[whole] or not sums[SUM_UNPRICED_TIME] > 0 else 0.0


cdef inline void fill_flows(const double *sums, double *out) noexcept nogil:
    """Write the flows of a window, and their carbon: each as far as it was known (METHOD-SITE 9.1, 12).

    A mean power is over the time in which the flow was known; its energy is all that was counted.
    """
    cdef double generation
    cdef int i
    for i in range(FLOW_COUNT):
        if sums[SUM_KNOWN + i] > 0:
            out[1 + i] = sums[SUM_KNOWN_ENERGY + i] / (sums[SUM_KNOWN + i] / SECONDS_PER_HOUR)
        if sums[SUM_KNOWN + i] > 0 or sums[SUM_IMPORT + i] != 0:
            out[POWER_COUNT + 1 + i] = sums[SUM_IMPORT + i]
    if not isnan(out[POWER_COUNT + 1 + FLOW_IMPORT]):
        out[FLOW_EMISSION + FLOW_IMPORT] = sums[SUM_IMPORT_CARBON]
        out[SCOPE2_LOCATION] = sums[SUM_SCOPE2_LOCATION]
        out[SCOPE2_MARKET] = sums[SUM_SCOPE2_MARKET]
    if not isnan(out[POWER_COUNT + 1 + FLOW_PV]) or sums[SUM_PV_CARBON] > 0:  # metered fuel needs no power
        out[FLOW_EMISSION + FLOW_PV] = sums[SUM_PV_CARBON]
    generation = sums[SUM_RENEWABLE_CARBON] - sums[SUM_PV_CARBON] + sums[SUM_SCOPE1]
    if not isnan(out[POWER_COUNT + 1 + FLOW_GENERATION]) or generation > 0:
        out[FLOW_EMISSION + FLOW_GENERATION] = generation
        out[SCOPE1] = sums[SUM_SCOPE1]
    if not isnan(out[POWER_COUNT + 1 + FLOW_DISCHARGE]):
        out[FLOW_EMISSION + FLOW_DISCHARGE] = sums[SUM_DISCHARGE_CARBON]
    if not isnan(out[POWER_COUNT + 1 + FLOW_EXPORT]):
        out[FLOW_EMISSION + FLOW_EXPORT] = sums[SUM_EXPORT_CARBON]
    if not isnan(out[POWER_COUNT + 1 + FLOW_CHARGE]):
        out[FLOW_EMISSION + FLOW_CHARGE] = sums[SUM_CHARGE_CARBON]
    out[UNACCOUNTED_ENERGY] = sums[SUM_UNACCOUNTED]
    out[UNACCOUNTED_EMISSION] = sums[SUM_UNACCOUNTED_CARBON]
    out[LOSS_ENERGY] = sums[SUM_LOSS]
    out[LOSS_EMISSION] = sums[SUM_LOSS_CARBON]
    out[BATTERY_INTENSITY] = ratio(sums[SUM_DISCHARGE_CARBON], sums[SUM_DISCHARGE]) * WH_PER_KWH


cdef inline void fill_outputs(
    const double *sums, double seconds, double least_load, bint burners, double *out
) noexcept nogil:
    """Write OUTPUTS of a window of this nominal length, s, but for the stock.

    The load is over the time with a balance. Its carbon, and what follows from it, are over the time with a mix
    (METHOD-SITE 9.1); the intensity is NaN below the least load (METHOD 4.5).
    burners: scope 1 contains fuel that makes no electricity; it is NaN while that fuel is unknown.
    """
    cdef double hours = sums[SUM_TIME] / SECONDS_PER_HOUR
    cdef double residual_hours = sums[SUM_RESIDUAL_TIME] / SECONDS_PER_HOUR
    cdef double priced_hours = priced(sums, SUM_TIME, SUM_UNPRICED_TIME) / SECONDS_PER_HOUR
    cdef double load = priced(sums, SUM_LOAD, SUM_UNPRICED_LOAD)
    cdef int i
    for i in range(OUTPUT_COUNT):
        out[i] = NAN
    out[COVERAGE] = share(sums[SUM_COVERED], seconds)
    out[CAPTURED] = known(sums, SUM_CAPTURED)
    if not sums[SUM_SIGNAL_TIME] > 0:
        return
    fill_flows(sums, out)
    if burners:
        out[SCOPE1] += known(sums, SUM_BURNT)
    out[GRID_INTENSITY] = sums[SUM_GRID] / sums[SUM_SIGNAL_TIME]
    if sums[SUM_IMPORT] > 0:
        out[GRID_INTENSITY] = sums[SUM_IMPORT_CARBON] / sums[SUM_IMPORT] * WH_PER_KWH
    if not sums[SUM_TIME] > 0:
        return
    out[0] = sums[SUM_LOAD] / hours
    out[POWER_COUNT] = sums[SUM_LOAD]
    if residual_hours > 0:
        out[SUM_RESIDUAL] = sums[SUM_RESIDUAL] / residual_hours
        out[POWER_COUNT + SUM_RESIDUAL] = sums[SUM_RESIDUAL]
    if not priced_hours > 0:
        return
    out[EMISSION] = sums[SUM_EMISSION]
    out[AVOIDED] = sums[SUM_AVOIDED]
    out[EMISSION_RATE] = sums[SUM_EMISSION] / priced_hours
    if not load < least_load:
        out[EMISSION_INTENSITY] = ratio(sums[SUM_EMISSION], load) * WH_PER_KWH
    out[CLEAN_SHARE] = share(sums[SUM_CLEAN_LOAD], load)
    out[SELF_CONSUMPTION] = share(sums[SUM_OWN_PRODUCTION] - sums[SUM_OWN_EXPORT], sums[SUM_OWN_PRODUCTION])
    out[SELF_SUFFICIENCY] = share(sums[SUM_OWN_LOAD], load)


cdef inline void fill_groups(const double *parts, double whole, double *out) noexcept nogil:
    """Write the parts of the groups, and the rest of the whole."""
    cdef int i
    out[GROUP_COUNT] = whole
    for i in range(GROUP_COUNT):
        out[i] = parts[i]
        out[GROUP_COUNT] -= parts[i]


cdef inline void fill_details(const double *sums, double *out) noexcept nogil:
    """Write DETAILS of a window. A group's energy is all that was counted; the rest is that of the load."""
    cdef double intensity, hours
    cdef int i
    for i in range(DETAIL_COUNT):
        out[i] = NAN
    out[HEAT_FUEL_EMISSION] = known(sums, SUM_BURNT)
    out[BIOGENIC_EMISSION] = known(sums, SUM_BIOGENIC)
    out[HEAT_ENERGY] = known(sums, SUM_HEAT)
    if not sums[SUM_SIGNAL_TIME] > 0:
        return
    fill_groups(sums + SUM_GROUP_ENERGY, sums[SUM_LOAD], out)
    for i in range(GROUP_COUNT):
        out[GROUP_COUNT] += sums[SUM_GROUP_OPEN + i]
    fill_groups(sums + SUM_GROUP_EMISSION, sums[SUM_EMISSION], out + GROUP_COUNT + 1)
    fill_groups(sums + SUM_GROUP_OWN, sums[SUM_OWN_LOAD], out + 2 * (GROUP_COUNT + 1))
    if not sums[SUM_TIME] > 0:
        out[GROUP_COUNT] = NAN
    if not priced(sums, SUM_TIME, SUM_UNPRICED_TIME) > 0:
        for i in range(GROUP_COUNT + 1, 3 * (GROUP_COUNT + 1)):
            out[i] = NAN
    if sums[SUM_KNOWN + FLOW_GENERATION] > 0 or sums[SUM_FUEL] > 0:
        out[FUEL_ENERGY] = sums[SUM_FUEL]
    if sums[SUM_KNOWN + FLOW_GENERATION] > 0 or sums[SUM_SCOPE1] > 0:
        out[FUEL_EMISSION] = sums[SUM_SCOPE1]
    hours = sums[SUM_KNOWN + FLOW_GENERATION] / SECONDS_PER_HOUR
    out[FUEL_RATE] = ratio(sums[SUM_SCOPE1], hours)
    intensity = ratio(sums[SUM_SCOPE1], sums[SUM_FUEL]) * WH_PER_KWH
    if intensity <= MOST_INTENSITY:
        out[FUEL_INTENSITY] = intensity
    if sums[SUM_KNOWN + FLOW_IMPORT] > 0:
        out[MATCHED_ENERGY] = sums[SUM_MATCHED]
    out[CARBON_FREE_SHARE] = share(
        sums[SUM_CLEAN_LOAD] + sums[SUM_CERTIFIED], priced(sums, SUM_LOAD, SUM_UNPRICED_LOAD)
    )
