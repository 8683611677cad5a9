# cython: language_level=3, cdivision=True
"""The battery's carbon: a pool of energy and grams, METHOD 4.6."""

from libc.math cimport exp

from .sharing cimport Parcel


cdef extern from *:
    """
    #define TRACE 1e-6            /* Wh: a stock below counts as empty */
    #define ALMOST_EMPTY 1e-3     /* of the capacity; METHOD 4.6 says "almost 0" */
    """
    const double TRACE
    const double ALMOST_EMPTY


cdef struct Stock:       # all doubles, none negative
    double energy        # Wh inside the store
    double carbon        # g
    double clean         # Wh
    double own           # Wh
    double dearest       # g/Wh: maximum charged since the store was empty
    double opened        # 1 after a state of charge gave the opening stock


cdef struct Battery:
    double charge        # efficiencies
    double discharge
    double capacity      # Wh
    double soc_time      # s
    double keeping       # ln of the share of the stock that remains after an hour


cdef struct Delivery:    # energy and carbon of a discharge
    double energy        # Wh from the known stock
    double opening       # Wh beyond the known stock, charged before the start
    Parcel parcel        # at the site's bus


cdef inline Delivery delivery(
    const Stock *stock, double power, double hours, double efficiency, double grid, double grid_clean
) noexcept nogil:
    """Return energy and carbon of a discharge of `power` W.

    Energy beyond the known stock was charged before the start. It counts with the grid's intensity inside the store,
    as METHOD's start value.
    """
    cdef Delivery result
    cdef double wanted = power * hours / efficiency
    cdef double known = 1.0 if stock.energy > 0 else 0.0
    cdef double per_energy = power / stock.energy if stock.energy > 0 else 0.0
    result.energy = min(wanted, stock.energy)
    result.opening = wanted - result.energy
    if wanted > 0:
        known = result.energy / wanted
    per_energy *= known
    # losses concentrate the carbon, but not the shares
    result.parcel.power = power
    result.parcel.carbon = (stock.carbon * per_energy + (1 - known) * grid * power) / efficiency
    result.parcel.clean = stock.clean * per_energy + (1 - known) * grid_clean * power
    result.parcel.own = stock.own * per_energy
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


cdef inline void discharge(Stock *stock, double energy) noexcept nogil:
    """Remove Wh (inside the store, at most the stock) from the known stock, with their share of the carbon."""
    cdef double left
    if not energy < stock.energy:
        empty(stock)
        return
    # scaling by the remaining part keeps the intensity to the last bit but one
    left = (stock.energy - energy) / stock.energy
    stock.carbon *= left
    scale(stock, left)


cdef inline void charge(
    Stock *stock, const Parcel *arrival, double power, double hours, double efficiency
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
    Stock *stock, const Battery *battery, double soc, double grid, double grid_clean
) noexcept nogil:
    """Apply the first known state of charge. Return the Wh of the opening stock, at the grid's intensity."""
    cdef double missing = soc * battery.capacity - stock.energy
    if not missing > TRACE:
        stock.opened = 1.0 if stock.energy > 0 else 0.0
        return 0
    stock.energy += missing
    stock.carbon += missing * grid
    stock.clean += missing * grid_clean
    stock.dearest = max(stock.dearest, grid)
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
