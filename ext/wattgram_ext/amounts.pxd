# cython: language_level=3, cdivision=True
"""Amounts beside the balance, of fuel and heat, and their windows (METHOD-SITE 9.3, 9.7).

A meter that is silent tells its amount later, for the whole time. If a window ends within this time, a part of the
amount belongs to it that is not known yet: the window has no amount then, and the next one gets its own part by time.
"""

from .units cimport MOST_RATE
from .windows cimport SUM_BURNT, Sums, add


cdef extern from *:
    """
    #define MOST_WAITING 0.01     /* share of a window: after a shorter silence the next window takes all */
    #define DOUBTFUL 1e15         /* added to a window's first count: more than all rows, and exact in a double */
    """
    const double MOST_WAITING, DOUBTFUL


cdef enum:
    AMOUNT_COUNT = 3     # burnt, biogenic, heat: a sum and a count each, from SUM_BURNT on


cdef struct Waiting:     # seconds since the last known amount; a restart forgets them
    double now[AMOUNT_COUNT]
    double *before       # AMOUNT_COUNT for each window: at the window's begin, if its amount is doubtful
    double *lasted       # of each window: s since it began


cdef inline int place_of(int amount) noexcept nogil:
    """Return the index of an amount's sum; the next one is its count."""
    return SUM_BURNT + 2 * amount


cdef inline bint waits(const Waiting *waiting, int window, int amount) noexcept nogil:
    """Return whether a window that ends now lacks a part of an amount."""
    return waiting.now[amount] > MOST_WAITING * waiting.lasted[window]


cdef inline void withhold(const Waiting *waiting, int window, double *sums) noexcept nogil:
    """Make the amounts of a window unknown that it lacks a part of. sums: of the window."""
    cdef int k
    for k in range(AMOUNT_COUNT):
        if waits(waiting, window, k):
            sums[place_of(k) + 1] = 0


cdef inline void begin(Waiting *waiting, int window, Sums *start) noexcept nogil:
    """Begin a window. An amount that the window before lacks a part of is doubtful until the meter speaks."""
    cdef int k
    for k in range(AMOUNT_COUNT):
        waiting.before[AMOUNT_COUNT * window + k] = 0
        if waits(waiting, window, k):
            waiting.before[AMOUNT_COUNT * window + k] = waiting.now[k]
            start.high[place_of(k) + 1] += DOUBTFUL
    waiting.lasted[window] = 0


cdef inline void wait(Waiting *waiting, int windows, double seconds) noexcept nogil:
    """Let an interval pass."""
    cdef int i
    for i in range(windows):
        waiting.lasted[i] += seconds
    for i in range(AMOUNT_COUNT):
        waiting.now[i] += seconds


cdef inline void take(
    Waiting *waiting, int windows, Sums *totals, Sums *starts, int amount, double value
) noexcept nogil:
    """Add an amount of an interval if it is known, g or Wh; a window before that lacks a part keeps it by time."""
    cdef int i, place = place_of(amount)
    cdef double before, inside
    if not 0 <= value <= MOST_RATE:
        return
    for i in range(windows):
        before = waiting.before[AMOUNT_COUNT * i + amount]
        if before > 0:
            inside = waiting.now[amount] - before
            add(starts + i, place, value - value * (inside / waiting.now[amount]))
            starts[i].high[place + 1] -= DOUBTFUL
            waiting.before[AMOUNT_COUNT * i + amount] = 0
    waiting.now[amount] = 0
    add(totals, place, value)
    add(totals, place + 1, 1)
