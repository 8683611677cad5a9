# cython: language_level=3, cdivision=True
"""The battery's carbon: one pool of energy and grams, METHOD 4.6."""

from libc.math cimport exp

from .sharing cimport Parcel


cdef extern from *:
    """
    #define TRACE 1e-6            /* Wh: a store with less is empty */
    #define ALMOST_EMPTY 1e-3     /* of the capacity; METHOD 4.6 says "almost 0" */
    """
    const double TRACE
    const double ALMOST_EMPTY


cdef struct Stock:       # all doubles, none negative
    double energy        # Wh inside the store
    double carbon        # g
    double clean         # Wh
    double own           # Wh
    double dearest       # g/Wh: the most that was charged since the store was empty
    double opened        # 1 once a state of charge has said what was there at the start


cdef struct Battery:
    double charge        # efficiencies
    double discharge
    double capacity      # Wh
    double soc_time      # s
    double keeping       # ln of the share of the stock that is left after an hour


cdef struct Delivery:    # what a discharge takes from the store
    double energy        # Wh out of the known stock
    double opening       # Wh of a stock that nobody saw being charged
    Parcel parcel        # at the site's bus


cdef inline Delivery delivery(
    const Stock *stock, double power, double hours, double efficiency, double grid, double grid_clean
) noexcept nogil:
    """What a discharge of `power` W takes from the store, and what it carries.

    What the known stock cannot give was charged before anybody looked: it counts with the grid's intensity
    inside the store, as METHOD's start value does.
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
    # carbon is concentrated by the loss, shares are not
    result.parcel.power = power
    result.parcel.carbon = (stock.carbon * per_energy + (1 - known) * grid * power) / efficiency
    result.parcel.clean = stock.clean * per_energy + (1 - known) * grid_clean * power
    result.parcel.own = stock.own * per_energy
    return result


cdef inline double delivered_intensity(const Stock *stock, double efficiency) noexcept nogil:
    """What the next Wh would carry at the bus, g/Wh; the store is not empty."""
    return stock.carbon / stock.energy / efficiency


cdef inline void scale(Stock *stock, double factor) noexcept nogil:
    """The energy changes and the carbon does not: losses concentrate it."""
    stock.energy *= factor
    stock.clean *= factor
    stock.own *= factor


cdef inline void empty(Stock *stock) noexcept nogil:
    stock[0] = Stock(0, 0, 0, 0, 0, 0)


cdef inline void discharge(Stock *stock, double energy) noexcept nogil:
    """Take Wh (inside the store, at most what is in it) out of the known stock, each with the same carbon."""
    cdef double left
    if not energy < stock.energy:
        empty(stock)
        return
    # the part that stays, not the part that goes: its intensity is then the same to the last bit but one
    left = (stock.energy - energy) / stock.energy
    stock.carbon *= left
    scale(stock, left)


cdef inline void charge(
    Stock *stock, const Parcel *arrival, double power, double hours, double efficiency
) noexcept nogil:
    """The store gains what the losses leave of the energy, and all of its carbon."""
    cdef double kept = hours * efficiency
    if not power > 0:
        return
    stock.energy += power * kept
    stock.carbon += arrival.carbon * hours
    stock.clean += arrival.clean * kept
    stock.own += arrival.own * kept
    stock.dearest = max(stock.dearest, arrival.carbon / power)


cdef inline double empty_below(Stock *stock, double least) noexcept nogil:
    """Grams lost: all that is left of a store with less than `least` Wh."""
    cdef double lost = 0
    if stock.energy < least:
        lost = stock.carbon
        empty(stock)
    return lost


cdef inline double rest(Stock *stock, const Battery *battery, double hours) noexcept nogil:
    """Self-discharge; grams lost with a trace that is left, so that no quotient by the energy overflows."""
    if battery.keeping < 0:
        scale(stock, exp(battery.keeping * hours))
    return empty_below(stock, TRACE)


cdef inline double open_stock(
    Stock *stock, const Battery *battery, double soc, double grid, double grid_clean
) noexcept nogil:
    """The first known state of charge: Wh that were there before anybody looked, at the grid's intensity."""
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
    """Draw the energy towards a later state of charge, its carbon untouched; grams lost."""
    cdef double target = soc * battery.capacity
    cdef bint lower = target < stock.energy
    if not stock.energy > 0:
        return 0
    scale(stock, (target + (stock.energy - target) * exp(-seconds / battery.soc_time)) / stock.energy)
    return empty_below(stock, max(ALMOST_EMPTY * battery.capacity, TRACE)) if lower else 0.0
