# cython: language_level=3, cdivision=True
"""Terminals of hybrid inverters whose split is unknown: METHOD-SITE 8.2, 9.1.

A terminal contains the channels that its power is shared out to. In an interval, a hybrid is known by these channels,
or by its terminal, or not at all; never by both, so that nothing is counted twice. A hybrid that is not known at all has
a battery without a channel if its terminal says so: by an infinite power, and in a row of late energy by none.
"""

from libc.math cimport NAN, fabs, isinf, isnan
from libc.string cimport memcpy

from .channels cimport Channels, Row, counted, sampled
from .units cimport MOST_POWER


cdef struct Member:      # a channel that a terminal contains, or a terminal
    int busbar
    int terminal         # channel of the terminal, its own index for a terminal; -1 for neither
    bint one_way
    bint hidden          # whether the terminal replaces the channel in the interval


cdef struct Terminals:
    int count
    Member *members      # of each channel
    double *powers       # copy of a row's, without those of hidden channels, W
    double *energies     # Wh


cdef struct Contained:   # what terminals replace on a busbar in an interval
    double power         # of the terminals, W, + into the site
    int channels         # number of hidden channels
    int batteries        # number of unknown batteries that have no channel


cdef inline bint present(const Channels *channels, const Row *row, int channel, bint one_way) noexcept nogil:
    """Return whether a channel has a power in the interval, as `net` and `produced` see it."""
    cdef bint sample = fabs(row.powers[channel]) <= MOST_POWER
    if row.seconds > 0:
        sample = sample or not isnan(channels.before[channel])
    if sample or row.energies == NULL or isnan(counted(row.energies[2 * channel], row.per_hour, NAN)):
        return sample
    return one_way or not isnan(counted(row.energies[2 * channel + 1], row.per_hour, NAN))


cdef inline bint divided(
    const Channels *channels, const Terminals *terminals, const Row *row, int terminal
) noexcept nogil:
    """Return whether all channels of a terminal have a power in the interval."""
    cdef bint result = True
    cdef int i
    for i in range(channels.count):
        if terminals.members[i].terminal == terminal and i != terminal:
            result = result and present(channels, row, i, terminals.members[i].one_way)
    return result


cdef inline double replacing(const Channels *channels, const Row *row, int terminal, bint split) noexcept nogil:
    """Return the power of a terminal that replaces its channels in the interval, W; NaN if it does not.

    Its counted energy says that the split of the interval is unknown. Otherwise the channels have priority, if they
    are all present (`split`).
    """
    cdef double sample = sampled(channels, terminal, row.powers, row.seconds > 0)
    cdef double power = NAN
    if row.energies != NULL:
        power = (
            counted(row.energies[2 * terminal], row.per_hour, NAN)
            - counted(row.energies[2 * terminal + 1], row.per_hour, NAN)
        )
    if not isnan(power):
        return power
    return NAN if split else sample


cdef inline bint hide(
    const Channels *channels, const Terminals *terminals, Row *row, Contained *contained
) noexcept nogil:
    """Take the channels that terminals replace in the interval out of the row; return whether there are any.

    contained: receives for each busbar what replaces them, in addition to what it holds.
    """
    cdef bint any_hidden = False
    cdef Member *members = terminals.members
    cdef double power
    cdef bint split
    cdef int terminal, i
    memcpy(terminals.powers, row.powers, channels.count * sizeof(double))
    if row.energies != NULL:
        memcpy(terminals.energies, row.energies, 2 * channels.count * sizeof(double))
    for terminal in range(channels.count):
        if members[terminal].terminal != terminal:
            continue
        split = divided(channels, terminals, row, terminal)
        power = replacing(channels, row, terminal, split)
        if isnan(power) and not split and isinf(row.powers[terminal]):
            contained[members[terminal].busbar].batteries += 1
        for i in range(channels.count):
            if members[i].terminal != terminal or i == terminal:
                continue
            members[i].hidden = not isnan(power)
            if members[i].hidden:
                terminals.powers[i] = terminals.energies[2 * i] = terminals.energies[2 * i + 1] = NAN
                channels.before[i] = NAN
                contained[members[i].busbar].channels += 1
                any_hidden = True
        if not isnan(power):
            contained[members[terminal].busbar].power += power
    row.powers = terminals.powers
    if row.energies != NULL:
        row.energies = terminals.energies
    return any_hidden


cdef inline int unnamed(const Channels *channels, const Terminals *terminals, const double *powers) noexcept nogil:
    """Return the number of terminals of a busbar that a row of late energy marks as unknown."""
    cdef int i, result = 0
    for i in range(channels.count):
        if terminals.members[i].terminal == i and terminals.members[i].busbar == channels.busbar:
            result += isnan(powers[i])
    return result


cdef inline void remember(const Channels *channels, const Terminals *terminals, const double *powers) noexcept nogil:
    """Keep the powers of the hidden channels for the next interval, after `flows`. powers: of the row as given."""
    cdef int i
    for i in range(channels.count):
        if terminals.members[i].hidden:
            sampled(channels, i, powers, False)
