# cython: language_level=3, cdivision=True
"""The battery's carbon: a pool of energy and grams, METHOD 4.6 and METHOD-SITE 9.6."""

from libc.math cimport NAN, exp, isnan, sqrt

from .sharing cimport Parcel


cdef extern from *:
    """
    #define TRACE 1e-6            /* Wh: a stock below counts as empty */
    #define ALMOST_EMPTY 1e-3     /* of the capacity; METHOD 4.6 says "almost 0" */
    #define ASSUMED_TRIP 0.85     /* round trip until one is learned; METHOD-SITE 9.6, NREL ATB */
    #define LEAST_TRIP 0.25       /* a smaller one contradicts the meters; the bounds of the configuration, squared */
    #define LEARNING_TRIPS 10     /* capacities charged before the round trip is learned; METHOD-SITE 9.6 */
    #define CONCENTRATED 2.0      /* METHOD 4.5: alarm above this multiple of the maximum */
    #define DILUTED 0.95          /* of the minimum: losses never lower an intensity */
    #define LEAST_INTENSITY 1e-12 /* g/Wh: in the range of the charged intensities it stands for 0 */
    """
    const double TRACE
    const double ALMOST_EMPTY
    const double ASSUMED_TRIP
    const double LEAST_TRIP
    const double LEARNING_TRIPS
    const double CONCENTRATED
    const double DILUTED
    const double LEAST_INTENSITY


cdef struct Stock:       # all doubles, none negative
    double energy        # Wh inside the store
    double carbon        # g
    double clean         # Wh
    double own           # Wh
    double dearest       # g/Wh: maximum charged since the store was empty
    double opened        # 1 after a state of charge gave the opening stock


cdef struct Trips:       # history of a battery since the accounts began; all doubles, none negative
    double charged       # Wh at the bus, from the first charge on
    double discharged
    double turn_charged      # the same at the last change from discharge to charge
    double turn_discharged
    double run           # Wh charged since the last discharge
    double largest       # maximum of `run`
    double discharging   # 1 after a discharge, 0 after a charge
    double reported      # 1 after a state of charge
    double cheapest      # g/Wh at the bus: minimum and maximum that was ever charged
    double dearest
    double delivered     # 1 after a discharge from a stock; the next three are per Wh inside the store at that time
    double last_carbon
    double last_clean
    double last_own


cdef struct Battery:
    bint learning        # no efficiency is configured
    double charge        # efficiencies
    double discharge
    double capacity      # Wh
    double soc_time      # s
    double keeping       # ln of the share of the stock that remains after an hour


cdef struct Delivery:    # energy and carbon of a discharge
    double energy        # Wh from the known stock
    double opening       # Wh beyond the known stock
    double opening_carbon    # g of them
    Parcel parcel        # at the site's bus


cdef inline double learned_trip(const Trips *trips, const Battery *battery) noexcept nogil:
    """Return discharge / charge over whole cycles, 0-1; NaN before ten capacities were charged (METHOD-SITE 9.6).

    Without a capacity, the largest charge between two discharges takes its place.
    """
    cdef double capacity = battery.capacity if battery.capacity > 0 else trips.largest
    cdef double trip = NAN
    if trips.charged > LEARNING_TRIPS * capacity and trips.turn_charged > 0:
        trip = trips.turn_discharged / trips.turn_charged
    return trip if LEAST_TRIP <= trip <= 1 else NAN


cdef inline double leg(const Trips *trips, const Battery *battery, double configured) noexcept nogil:
    """Return the efficiency of one direction: half of the loss of a round trip that is not configured."""
    cdef double trip
    if not battery.learning or trips.reported > 0:
        return configured
    trip = learned_trip(trips, battery)
    return sqrt(ASSUMED_TRIP if isnan(trip) else trip)


cdef inline void note_flows(Trips *trips, double charged, double discharged) noexcept nogil:
    """Count the Wh of an interval. What was discharged before the first charge came from an unknown stock."""
    if charged > 0:
        if trips.discharging > 0:
            trips.turn_charged = trips.charged
            trips.turn_discharged = trips.discharged
            trips.run = trips.discharging = 0
        trips.charged += charged
        trips.run += charged
        trips.largest = max(trips.largest, trips.run)
    if discharged > 0 and trips.charged > 0:
        trips.discharged += discharged
        trips.discharging = 1


cdef inline void note_intensity(Trips *trips, double intensity) noexcept nogil:
    """Extend the range of the intensities that were charged, g/Wh at the bus; 0 in both means that none was."""
    intensity = max(intensity, LEAST_INTENSITY)
    if not trips.dearest > 0 and not trips.cheapest > 0:
        trips.cheapest = trips.dearest = intensity
    trips.cheapest = min(trips.cheapest, intensity)
    trips.dearest = max(trips.dearest, intensity)


cdef inline bint out_of_range(const Stock *stock, const Trips *trips, double efficiency) noexcept nogil:
    """Return whether the store's intensity lies outside the range of what ever was charged (METHOD-SITE 9.6)."""
    if not stock.energy > 0:
        return False
    return (
        stock.carbon > CONCENTRATED * trips.dearest * stock.energy
        or stock.carbon < DILUTED * (trips.cheapest - LEAST_INTENSITY) * stock.energy * efficiency
    )


cdef inline Delivery delivery(
    const Stock *stock,
    const Trips *trips,
    double power,
    double hours,
    double efficiency,
    double official,
    double grid_clean,
) noexcept nogil:
    """Return energy and carbon of a discharge of `power` W.

    Energy beyond the known stock carries the stock's last intensity (METHOD-SITE 9.6). Before the first stock, it
    carries the official factor inside the store, the start value of METHOD 4.6.
    """
    cdef Delivery result
    cdef Parcel outside = Parcel(1, official, grid_clean, 0)     # per Wh inside the store
    cdef double wanted = power * hours / efficiency
    cdef double known = 1.0 if stock.energy > 0 else 0.0
    cdef double per_energy = power / stock.energy if stock.energy > 0 else 0.0
    result.energy = min(wanted, stock.energy)
    result.opening = wanted - result.energy
    if wanted > 0:
        known = result.energy / wanted
    if stock.energy > 0:
        outside = Parcel(1, stock.carbon / stock.energy, stock.clean / stock.energy, stock.own / stock.energy)
    elif trips.delivered > 0:
        outside = Parcel(1, trips.last_carbon, trips.last_clean, trips.last_own)
    result.opening_carbon = result.opening * outside.carbon
    per_energy *= known
    # losses concentrate the carbon, but not the shares
    result.parcel.power = power
    result.parcel.carbon = (stock.carbon * per_energy + (1 - known) * outside.carbon * power) / efficiency
    result.parcel.clean = stock.clean * per_energy + (1 - known) * outside.clean * power
    result.parcel.own = stock.own * per_energy + (1 - known) * outside.own * power
    return result


cdef inline double delivered_intensity(const Stock *stock, double efficiency) noexcept nogil:
    """Return the intensity of the next Wh at the bus, g/Wh. The store is not empty."""
    return stock.carbon / stock.energy / efficiency


cdef inline void scale(Stock *stock, double factor) noexcept nogil:
    """Scale the energy, but not the carbon: losses concentrate it."""
    stock.energy *= factor
    stock.clean *= factor
    stock.own *= factor


cdef inline void empty(Stock *stock) noexcept nogil:
    stock[0] = Stock(0, 0, 0, 0, 0, 0)


cdef inline void discharge(Stock *stock, Trips *trips, double energy) noexcept nogil:
    """Remove Wh (inside the store, at most the stock) from the known stock, with their share of the carbon."""
    cdef double left
    if energy > 0:
        trips.delivered = 1
        trips.last_carbon = stock.carbon / stock.energy
        trips.last_clean = stock.clean / stock.energy
        trips.last_own = stock.own / stock.energy
    if not energy < stock.energy:
        empty(stock)
        return
    # scaling by the remaining part keeps the intensity to the last bit but one
    left = (stock.energy - energy) / stock.energy
    stock.carbon *= left
    scale(stock, left)


cdef inline void charge(
    Stock *stock, Trips *trips, const Parcel *arrival, double power, double hours, double efficiency
) noexcept nogil:
    """Add energy after losses to the stock, and all of its carbon."""
    cdef double kept = hours * efficiency
    if not power > 0:
        return
    stock.energy += power * kept
    stock.carbon += arrival.carbon * hours
    stock.clean += arrival.clean * kept
    stock.own += arrival.own * kept
    stock.dearest = max(stock.dearest, arrival.carbon / power)
    note_intensity(trips, arrival.carbon / power)


cdef inline double empty_below(Stock *stock, double least) noexcept nogil:
    """Empty a stock below `least` Wh. Return the grams lost."""
    cdef double lost = 0
    if stock.energy < least:
        lost = stock.carbon
        empty(stock)
    return lost


cdef inline double rest(Stock *stock, const Battery *battery, double hours) noexcept nogil:
    """Apply self-discharge. Return the grams lost with a trace, which would make quotients by the energy overflow."""
    if battery.keeping < 0:
        scale(stock, exp(battery.keeping * hours))
    return empty_below(stock, TRACE)


cdef inline double open_stock(
    Stock *stock, Trips *trips, const Battery *battery, double soc, double official, double grid_clean
) noexcept nogil:
    """Apply the first known state of charge. Return the Wh of the opening stock, at the official factor (METHOD 4.6)."""
    cdef double missing = soc * battery.capacity - stock.energy
    if not missing > TRACE:
        stock.opened = 1.0 if stock.energy > 0 else 0.0
        return 0
    stock.energy += missing
    stock.carbon += missing * official
    stock.clean += missing * grid_clean
    stock.dearest = max(stock.dearest, official)
    note_intensity(trips, official)
    stock.opened = 1
    return missing


cdef inline double correct(Stock *stock, const Battery *battery, double soc, double seconds) noexcept nogil:
    """Move the energy towards a later state of charge, without its carbon. Return the grams lost."""
    cdef double target = soc * battery.capacity
    cdef bint lower = target < stock.energy
    if not stock.energy > 0:
        return 0
    scale(stock, (target + (stock.energy - target) * exp(-seconds / battery.soc_time)) / stock.energy)
    return empty_below(stock, max(ALMOST_EMPTY * battery.capacity, TRACE)) if lower else 0.0


cdef inline double revise_charge(
    Stock *stock, double carbon, double clean, double own, double efficiency
) noexcept nogil:
    """Change what an earlier charge carried, g and Wh, because its mix is known now. Return the change of carbon, g.

    The store cannot give back more than it contains.
    """
    cdef double change = max(carbon, -stock.carbon)
    stock.carbon += change
    stock.clean = max(stock.clean + clean * efficiency, 0.0)
    stock.own = max(stock.own + own * efficiency, 0.0)
    return change
