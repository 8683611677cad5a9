# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Rows of the accounts with one input changed by its standard uncertainty (METHOD-SITE 11).

a. The parts of a measuring chain have the limits share x (|P| + offset), W. Their standard uncertainty is
   u(P) = sqrt(sum of (limit / sqrt 3)^2), which is a square root of a polynomial in |P|.
b. An error keeps the sign of its power: P becomes P x (1 + u(|P|) / |P|). A power of 0 stays 0, because a meter
   without a load does not move, and an inverter at rest is disconnected.
c. The energy of an interval changes by u of its mean power.
d. Late energy has the offset of that part of its quarter alone in which its channel was unknown. Energy that corrects a
   channel which was known has none: the rows of the quarter have it already.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, NAN, copysign, fabs, isnan, sqrt
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from .units cimport LEAST_SECONDS, MOST_SECONDS, SECONDS_PER_HOUR

cdef enum:
    HEAD = 3             # of a row: seconds, grid g/kWh, grid clean share

cdef double QUARTER_SECONDS = 900.0
cdef double SQRT_3 = 1.7320508075688772


cdef struct ErrorLaw:    # of a measuring chain: u^2 = square P^2 + linear P + constant; limits = share P + offset
    double square
    double linear
    double constant
    double share
    double offset


cdef struct MeterError:
    int channel
    ErrorLaw law


cdef struct NodeError:   # terminal of a hybrid, or its split: channels of PV, then of batteries, in `members`
    int first
    int batteries        # index of the first battery in `members`
    int last             # the end
    ErrorLaw law


cdef struct FuelError:
    int channel
    double share


cdef ErrorLaw law_of(parts) except *:
    """Return the law of (share, offset in W) of each part; ValueError if a number is invalid."""
    cdef ErrorLaw law = ErrorLaw(0, 0, 0, 0, 0)
    cdef double share, offset
    for share, offset in parts:
        if not 0 < share < 1 or not 0 <= offset < INFINITY:
            raise ValueError(f"parts: {share}, {offset}, expected a share from 0 to 1 and an offset from 0")
        law.square += share * share / 3
        law.linear += 2 * share * share * offset / 3
        law.constant += share * share * offset * offset / 3
        law.share += share
        law.offset += share * offset
    return law


cdef inline double deviation(const ErrorLaw *law, double power) noexcept nogil:
    """Return the standard uncertainty of a power of at least 0, W; 0 for 0 and NaN."""
    return sqrt((law.square * power + law.linear) * power + law.constant) if power > 0 else 0.0


cdef inline double energy_deviation(const ErrorLaw *law, double energy, double hours) noexcept nogil:
    """Return the standard uncertainty of an energy in a time from 0, Wh; 0 for 0 and NaN."""
    if not energy > 0:
        return 0.0
    return sqrt((law.square * energy + law.linear * hours) * energy + law.constant * hours * hours)


@cython.final
cdef class Perturbed:
    cdef int channels
    cdef int windows
    cdef int width
    cdef int energies
    cdef int carbon
    cdef int meter_count
    cdef int node_count
    cdef int split_count
    cdef int fuel_count
    cdef int late_count
    cdef MeterError *meters
    cdef NodeError *nodes
    cdef NodeError *splits
    cdef FuelError *fuels
    cdef int *members        # channels of the nodes and splits
    cdef int *late_channels
    cdef double late_share
    cdef bint priced
    cdef bint *lasted        # whether the power of each channel was known at the last instant
    cdef double *told        # s of the running quarter of an hour in which each channel was known
    cdef double *tally       # Wh since each window began: standard uncertainty, and sum of the limits

    def __cinit__(
        self, int width, int channels, int windows, *, int energies=-1, int carbon=-1, meters=(), nodes=(), splits=(),
        fuels=(), bint priced=False, late_channels=(), double late_share=0.0,
    ):
        cdef int i, place = 0
        meters, nodes, splits, fuels = list(meters), list(nodes), list(splits), list(fuels)
        late_channels = list(late_channels)
        for channel in (
            *(meter[0] for meter in meters), *(fuel[0] for fuel in fuels), *late_channels,
            *(channel for node in (*nodes, *splits) for channel in (*node[0], *node[1])),
        ):
            if not 0 <= channel < channels:
                raise ValueError(f"channel {channel}, expected 0 to {channels - 1}")
        for name, first, size in (("energies", energies, 2 * channels), ("carbon", carbon, channels)):
            if first >= 0 and not HEAD + channels <= first <= width - size:
                raise ValueError(f"{name}: {first}, expected {HEAD + channels} to {width - size}")
        if width < HEAD + channels or windows < 0:
            raise ValueError(f"width: {width}, expected at least {HEAD + channels}")
        if not 0 <= late_share < 1:
            raise ValueError(f"late_share: {late_share}, expected 0 to 1")
        self.width, self.channels, self.windows = width, channels, windows
        self.energies, self.carbon, self.priced, self.late_share = energies, carbon, priced, late_share
        # one element more than needed: calloc(0) may return NULL
        self.meters = <MeterError *> calloc(len(meters) + 1, sizeof(MeterError))
        self.nodes = <NodeError *> calloc(len(nodes) + 1, sizeof(NodeError))
        self.splits = <NodeError *> calloc(len(splits) + 1, sizeof(NodeError))
        self.fuels = <FuelError *> calloc(len(fuels) + 1, sizeof(FuelError))
        self.members = <int *> calloc(
            sum(len(node[0]) + len(node[1]) for node in (*nodes, *splits)) + 1, sizeof(int)
        )
        self.late_channels = <int *> calloc(len(late_channels) + 1, sizeof(int))
        self.tally = <double *> calloc(2 * windows + 1, sizeof(double))
        self.told = <double *> calloc(channels + 1, sizeof(double))
        self.lasted = <bint *> calloc(channels + 1, sizeof(bint))
        if (
            self.meters == NULL or self.nodes == NULL or self.splits == NULL or self.fuels == NULL
            or self.members == NULL or self.late_channels == NULL or self.tally == NULL or self.told == NULL or self.lasted == NULL
        ):
            raise MemoryError
        for channel, parts in meters:
            self.meters[self.meter_count] = MeterError(channel, law_of(parts))
            self.meter_count += 1
        for pv, batteries, parts in nodes:
            self.nodes[self.node_count] = NodeError(place, place + len(pv), place + len(pv) + len(batteries), law_of(parts))
            place = self.remember(place, (*pv, *batteries))
            self.node_count += 1
        for pv, batteries, share in splits:
            self.splits[self.split_count] = NodeError(
                place, place + len(pv), place + len(pv) + len(batteries), law_of(((share, 0.0),))
            )
            place = self.remember(place, (*pv, *batteries))
            self.split_count += 1
        for channel, share in fuels:
            self.fuels[self.fuel_count] = FuelError(channel, share)
            self.fuel_count += 1
        for i in range(len(late_channels)):
            self.late_channels[i] = late_channels[i]
        self.late_count = len(late_channels)

    def __init__(self, *_, **__):
        """Do nothing: `__cinit__` has initialised all. The method gives the class the stub's signature."""

    def __dealloc__(self):
        free(self.meters)
        free(self.nodes)
        free(self.splits)
        free(self.fuels)
        free(self.members)
        free(self.late_channels)
        free(self.tally)
        free(self.told)
        free(self.lasted)

    cdef int remember(self, int place, channels) except -1:
        for channel in channels:
            self.members[place] = channel
            place += 1
        return place

    cdef inline void count(self, const ErrorLaw *law, double energy, double hours) noexcept nogil:
        """Add an energy of a time from 0 to the tally of each window."""
        cdef double deviated = energy_deviation(law, energy, hours)
        cdef double limited = law.share * energy + law.offset * hours if energy > 0 else 0.0
        cdef int i
        for i in range(self.windows):
            self.tally[2 * i] += deviated
            self.tally[2 * i + 1] += limited

    cdef inline void note_times(self, const double *row) noexcept nogil:
        """Add the interval of a row to the time of the channels that are known in it, by a power at either end."""
        cdef const double *energy
        cdef bint known
        cdef bint timed = LEAST_SECONDS <= row[0] <= MOST_SECONDS
        cdef int i
        for i in range(self.channels):
            known = self.lasted[i] or not isnan(row[HEAD + i])
            self.lasted[i] = not isnan(row[HEAD + i])
            if not known and self.energies >= 0:
                energy = row + self.energies + 2 * i
                known = not (isnan(energy[0]) and isnan(energy[1]))
            if known and timed:
                self.told[i] += row[0]

    cdef inline double late_hours(self, int channel, double hours) noexcept nogil:
        """Return how long a channel can have been unknown in the running quarter of an hour, at most `hours`."""
        return min(hours, max(0.0, QUARTER_SECONDS - self.told[channel]) / SECONDS_PER_HOUR)

    cdef inline void change_meter(self, const MeterError *meter, double *row, double hours, bint late) noexcept nogil:
        """Change the power of a channel and its energies, and count the latter."""
        cdef double *power = row + HEAD + meter.channel
        cdef double *energy
        cdef double before = power[0]
        cdef bint counted = False
        cdef int i
        power[0] = before + copysign(deviation(&meter.law, fabs(before)), before)
        if late:
            hours = self.late_hours(meter.channel, hours)
        elif not hours > 0:
            return
        if self.energies >= 0:
            energy = row + self.energies + 2 * meter.channel
            for i in range(2):
                if isnan(energy[i]):
                    continue
                counted = True
                self.count(&meter.law, energy[i], hours)
                energy[i] += energy_deviation(&meter.law, energy[i], hours)
        if not counted:
            self.count(&meter.law, fabs(before) * hours, hours)

    cdef inline void scale(self, double *values, int first, int last, int step, double factor) noexcept nogil:
        cdef int i
        for i in range(first, last):
            values[self.members[i] * step] *= factor

    cdef inline void share_out(
        self, const NodeError *node, double *pv, double *out, double *into, int step, double change
    ) noexcept nogil:
        """Add a change of the terminal to its parts, as the rule of METHOD-SITE 8.2 does; W or Wh.

        pv, out, into: of channel 0; into: NULL if `out` is negative while the battery is charged.
        """
        cdef double produced = 0
        cdef double delivered = 0
        cdef double stored = 0
        cdef double terminal, value, factor
        cdef int i
        for i in range(node.first, node.batteries):
            produced += pv[self.members[i] * step]
        for i in range(node.batteries, node.last):
            value = out[self.members[i] * step]
            delivered += max(value, 0.0)
            stored += max(-value, 0.0) if into == NULL else into[self.members[i] * step]
        terminal = produced + delivered - stored
        if isnan(terminal) or terminal == 0:
            return
        change = copysign(change, terminal)
        if stored == 0:
            factor = 1 + change / terminal
            self.scale(pv, node.first, node.batteries, step, factor)
            self.scale(out, node.batteries, node.last, step, factor)
        elif terminal > 0 and produced > 0:
            self.scale(pv, node.first, node.batteries, step, 1 + change / produced)
        else:
            self.scale(
                out if into == NULL else into, node.batteries, node.last, step, max(0.0, 1 - change / stored)
            )

    cdef inline double terminal_of(
        self, const NodeError *node, const double *pv, const double *out, const double *into, int step
    ) noexcept nogil:
        """Return the power or energy of a terminal from its parts; NaN if one is unknown."""
        cdef double result = 0
        cdef int i
        for i in range(node.first, node.batteries):
            result += pv[self.members[i] * step]
        for i in range(node.batteries, node.last):
            result += out[self.members[i] * step]
            if into != NULL:
                result -= into[self.members[i] * step]
        return result

    cdef inline void change_node(self, const NodeError *node, double *row, double hours, bint late) noexcept nogil:
        """Change the terminal of a hybrid."""
        cdef double *powers = row + HEAD
        cdef double *energies
        cdef double power = self.terminal_of(node, powers, powers, NULL, 1)
        cdef double energy = NAN
        cdef double longest = 0
        cdef double factor
        cdef int i
        if late:
            for i in range(node.first, node.last):
                longest = max(longest, self.late_hours(self.members[i], hours))
            hours = longest
        if (late or hours > 0) and self.energies >= 0:
            energies = row + self.energies
            energy = self.terminal_of(node, energies, energies, energies + 1, 2)
            if isnan(energy) and fabs(power) > 0:  # what is known of the energies changes like the power
                factor = 1 + deviation(&node.law, fabs(power)) / fabs(power)
                self.scale(energies, node.first, node.last, 2, factor)
                self.scale(energies + 1, node.batteries, node.last, 2, factor)
            elif not isnan(energy):
                self.share_out(
                    node, energies, energies, energies + 1, 2, energy_deviation(&node.law, fabs(energy), hours)
                )
        if late or hours > 0:
            self.count(&node.law, fabs(power) * hours if isnan(energy) else fabs(energy), hours)
        if not isnan(power):
            self.share_out(node, powers, powers, NULL, 1, deviation(&node.law, fabs(power)))

    cdef inline void move(
        self, const NodeError *node, double *pv, double *out, double *into, int step
    ) noexcept nogil:
        """Move a part of the smaller share of a terminal from the battery to PV; the terminal stays."""
        cdef double produced = 0
        cdef double delivered = 0
        cdef double stored = 0
        cdef double value, change
        cdef int i
        for i in range(node.first, node.batteries):
            produced += pv[self.members[i] * step]
        for i in range(node.batteries, node.last):
            value = out[self.members[i] * step]
            delivered += max(value, 0.0)
            stored += max(-value, 0.0) if into == NULL else into[self.members[i] * step]
        change = deviation(&node.law, min(produced, max(delivered, stored)))
        if not change > 0:
            return
        self.scale(pv, node.first, node.batteries, step, 1 + change / produced)
        if delivered > stored:
            self.scale(out, node.batteries, node.last, step, 1 - change / delivered)
        else:
            self.scale(out if into == NULL else into, node.batteries, node.last, step, 1 + change / stored)

    cdef inline void change(self, double *row, double hours, double signal, bint late) noexcept nogil:
        """Change a row. hours: length of its interval, 0 without one. signal: relative change of the grid's.

        late: a row of late energy, of which each channel has a time from 0.
        """
        cdef double *energies = row + self.energies
        cdef int i
        if self.priced:
            row[1] *= 1 + signal
        for i in range(self.meter_count):
            self.change_meter(self.meters + i, row, hours, late)
        for i in range(self.node_count):
            self.change_node(self.nodes + i, row, hours, late)
        for i in range(self.split_count):
            self.move(self.splits + i, row + HEAD, row + HEAD, NULL, 1)
            if self.energies >= 0 and (late or hours > 0):
                self.move(self.splits + i, energies, energies, energies + 1, 2)
        if self.carbon >= 0:
            for i in range(self.fuel_count):
                row[self.carbon + self.fuels[i].channel] *= 1 + self.fuels[i].share

    def rows(self, bytes block not None, bytes signal not None):
        cdef Py_ssize_t size = self.width * <Py_ssize_t> sizeof(double)
        cdef Py_ssize_t count = PyBytes_GET_SIZE(block) // size
        cdef const double *signals = <const double *> PyBytes_AS_STRING(signal)
        cdef bytes result
        cdef double *row
        cdef Py_ssize_t i
        if PyBytes_GET_SIZE(block) != count * size:
            raise ValueError(f"block: {len(block)} bytes, expected rows of {size}")
        if PyBytes_GET_SIZE(signal) != count * <Py_ssize_t> sizeof(double):
            raise ValueError(f"signal: {len(signal)} bytes, expected a double for each of {count} rows")
        result = PyBytes_FromStringAndSize(PyBytes_AS_STRING(block), count * size)
        row = <double *> PyBytes_AS_STRING(result)
        for i in range(count):
            self.note_times(row)
            self.change(
                row, row[0] / SECONDS_PER_HOUR if LEAST_SECONDS <= row[0] <= MOST_SECONDS else 0.0, signals[i], False
            )
            row += self.width
        return result

    def late(self, bytes row not None, double hours, double signal):
        cdef bytes result = self.copied(row)
        cdef double *changed = <double *> PyBytes_AS_STRING(result)
        cdef int i
        self.change(changed, hours, signal, True)
        if self.energies >= 0:
            for i in range(self.late_count):
                changed[self.energies + 2 * self.late_channels[i]] *= 1 + self.late_share
                changed[self.energies + 2 * self.late_channels[i] + 1] *= 1 + self.late_share
        return result

    cdef bytes copied(self, bytes row):
        if PyBytes_GET_SIZE(row) != self.width * <Py_ssize_t> sizeof(double):
            raise ValueError(f"row: {len(row)} bytes, expected {self.width * sizeof(double)}")
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(row), PyBytes_GET_SIZE(row))

    def powers(self, bytes powers not None):
        cdef Py_ssize_t size = self.channels * <Py_ssize_t> sizeof(double)
        cdef bytes row = PyBytes_FromStringAndSize(NULL, self.width * <Py_ssize_t> sizeof(double))
        cdef double *changed = <double *> PyBytes_AS_STRING(row)
        cdef int i
        if PyBytes_GET_SIZE(powers) != size:
            raise ValueError(f"powers: {len(powers)} bytes, expected {size}")
        for i in range(self.width):
            changed[i] = NAN
        memcpy(changed + HEAD, PyBytes_AS_STRING(powers), size)
        self.change(changed, 0.0, 0.0, False)
        return row[HEAD * sizeof(double) : HEAD * sizeof(double) + size]

    cdef int inside(self, int window) except -1:
        if not 0 <= window < self.windows:
            raise IndexError(f"window {window}, expected 0 to {self.windows - 1}")
        return 0

    def ratio(self, int window):
        self.inside(window)
        return self.tally[2 * window + 1] / self.tally[2 * window] if self.tally[2 * window] > 0 else SQRT_3

    def reset(self, int window):
        self.inside(window)
        self.tally[2 * window] = self.tally[2 * window + 1] = 0
        if window == 0:
            for i in range(self.channels):
                self.told[i] = 0

    def tallies(self):
        return [(self.tally[2 * i], self.tally[2 * i + 1]) for i in range(self.windows)]

    def set_tallies(self, tallies):
        tallies = list(tallies)
        if len(tallies) != self.windows:
            raise ValueError(f"tallies: {len(tallies)}, expected {self.windows}")
        for i in range(self.windows):
            self.tally[2 * i], self.tally[2 * i + 1] = tallies[i]

    def times(self):
        return [self.told[i] for i in range(self.channels)]

    def set_times(self, times, bytes powers not None):
        cdef int i
        times = list(times)
        if PyBytes_GET_SIZE(powers) != self.channels * <Py_ssize_t> sizeof(double):
            raise ValueError(f"powers: {len(powers)} bytes, expected {self.channels * sizeof(double)}")
        if len(times) != self.channels:
            raise ValueError(f"times: {len(times)}, expected {self.channels}")
        for i in range(self.channels):
            self.told[i] = times[i]
            self.lasted[i] = not isnan((<const double *> PyBytes_AS_STRING(powers))[i])
