# cython: language_level=3, cdivision=True
"""The windows of a site's accounts: their sums, their numbers, their ends."""

from libc.string cimport memcpy

from .amounts cimport begin, withhold
from .pool_moves cimport show_stock
from .site_memory cimport BURNT, SiteMemory
from .units cimport SECONDS_PER_HOUR
from .windows cimport (
    DETAIL_COUNT, OUTPUT_COUNT, SUM_COUNT, SUM_SIGNAL_TIME, Sums, fill_details, fill_outputs, since,
)


cdef extern from *:
    """
    #define LEAST_RATED_SHARE 0.005  /* METHOD 4.5, E_min: of the rated energy of the window */
    #define LEAST_REGISTER_STEPS 5.0 /* the same, of the meter's register */
    """
    const double LEAST_RATED_SHARE
    const double LEAST_REGISTER_STEPS


cdef enum:
    CLOSED_COUNT = 2 + OUTPUT_COUNT + DETAIL_COUNT   # as CLOSED


cdef inline void sum_window(const SiteMemory *site, int window, double *sums) noexcept nogil:
    """Write the sums of a running window."""
    cdef int i
    for i in range(SUM_COUNT):
        sums[i] = since(site.totals, site.starts + window, i)
    withhold(&site.waiting, window, sums)


cdef inline double least_load(const SiteMemory *site, double seconds) noexcept nogil:
    """Return the least load of a window with an intensity, Wh (METHOD 4.5, E_min)."""
    return max(
        LEAST_RATED_SHARE * site.rated_power * seconds / SECONDS_PER_HOUR, LEAST_REGISTER_STEPS * site.register_step
    )


cdef inline void fill_window(const SiteMemory *site, const double *sums, double seconds, double *out) noexcept nogil:
    """Write OUTPUTS of a window; the stock is the present stock."""
    fill_outputs(sums, seconds, least_load(site, seconds), site.columns[BURNT] >= 0, out)
    if sums[SUM_SIGNAL_TIME] > 0:
        show_stock(site, out)


cdef inline void restart_window(SiteMemory *site, int window) noexcept nogil:
    memcpy(site.starts + window, site.totals, sizeof(Sums))
    begin(&site.waiting, window, site.starts + window)


cdef inline void close_window(
    SiteMemory *site, Py_ssize_t place, int window, double seconds, double *out
) noexcept nogil:
    """Write a row of CLOSED at a window's end. place: index of the row in its block."""
    cdef double sums[SUM_COUNT]
    sum_window(site, window, sums)
    out[0] = place
    out[1] = window
    fill_window(site, sums, seconds, out + 2)
    fill_details(sums, out + 2 + OUTPUT_COUNT)
    restart_window(site, window)
