# cython: language_level=3
"""Factors between units, and bounds of a site's numbers that keep every product and sum finite."""

cdef extern from *:
    """
    #define WH_PER_KWH 1000.0
    #define G_PER_KG 1000.0
    #define SECONDS_PER_HOUR 3600.0
    #define MOST_POWER 1e12       /* W */
    #define LEAST_POWER 1e-12     /* W: less is 0 (METHOD-SITE 10), or quotients by a power would overflow */
    #define MOST_INTENSITY 1e6    /* g/kWh */
    #define MOST_RATE 1e15        /* g/h: the product of the two */
    #define MOST_SECONDS 1e9
    #define LEAST_SECONDS 1e-9    /* the clock's resolution; less is no interval */
    """
    const double WH_PER_KWH
    const double G_PER_KG
    const double SECONDS_PER_HOUR
    const double MOST_POWER
    const double LEAST_POWER
    const double MOST_INTENSITY
    const double MOST_RATE
    const double MOST_SECONDS
    const double LEAST_SECONDS


cdef inline double positive(double value) noexcept nogil:
    """Return the value, 0 if negative; NaN stays NaN."""
    return 0.0 if value < 0 else value
