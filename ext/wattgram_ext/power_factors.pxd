# cython: language_level=3
"""The unit of power factors whose scale is that of percent: some devices send a ratio.

Active by apparent power is the expected power factor. The costs of percent and of a ratio are the distances of a value
from the expected one, in powers of ten, at most 1: a broken value counts for neither. The smaller sum decides for all
points of a device. Without such powers the size of a value or its scale decides.
"""

from libc.math cimport NAN, fabs, fmin, isfinite, log10

cdef extern from *:
    """
    #define LARGEST_FACTOR 0.0102   /* of a power factor taken as percent: above, it is no ratio */
    #define LEAST_PROOF 0.02        /* below, active by apparent power proves nothing */
    #define MOST_PROOF 1.5
    #define LEAST_SHARE 0.05        /* of the largest active power: below, a phase without load proves nothing */
    #define LEAST_DIFFERENCE 0.3    /* of the sums of costs: below, the witnesses do not decide */
    #define LEAST_FLOAT 1e-12       /* a float other than 0 below is no measurement */
    #define RATIO_EXPONENT -3       /* with this scale, 16 bits cannot express 100 % */
    """
    const double LARGEST_FACTOR
    const double LEAST_PROOF
    const double MOST_PROOF
    const double LEAST_SHARE
    const double LEAST_DIFFERENCE
    const double LEAST_FLOAT
    const int RATIO_EXPONENT


cdef enum Unit:
    UNDECIDED, PERCENT, RATIO


cdef struct Votes:
    double percents  # sum of the costs of percent
    double ratios
    bint large       # whether a value is too large for a ratio
    bint fine        # whether a value's scale is too fine for percent


cdef inline double expected_size(double active, double apparent, double least) noexcept nogil:
    """Return the decimal logarithm of active by apparent power; NaN if this proves nothing. least: active power, W."""
    active = fabs(active)
    if 0 < active and least <= active and LEAST_PROOF * apparent <= active <= MOST_PROOF * apparent:
        return log10(active / apparent)
    return NAN


cdef inline void vote(Votes *votes, double size, double expected, bint fine) noexcept nogil:
    """Add the vote of a power factor. size: taken as percent, above 0. expected: logarithm, NaN for none."""
    cdef double distance = log10(size) - expected
    cdef bint large = size > LARGEST_FACTOR
    if isfinite(distance):
        votes.percents += fmin(fabs(distance), 1)
        votes.ratios += 1 if large else fmin(fabs(distance + 2), 1)
    votes.large = votes.large or large
    votes.fine = votes.fine or (fine and not large)


cdef inline Unit elected(const Votes *votes) noexcept nogil:
    """Return the unit of all power factors of a reading."""
    if fabs(votes.percents - votes.ratios) >= LEAST_DIFFERENCE:
        return PERCENT if votes.percents < votes.ratios else RATIO
    if votes.large:
        return PERCENT
    return RATIO if votes.fine else UNDECIDED
