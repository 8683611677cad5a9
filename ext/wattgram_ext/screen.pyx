# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Search a decoded reading for suspicious values.

a. The tables are flat arrays: `heads` has one row for each rule, `items` the rows of its parts. The constructor checks
   all indices; `check` relies on that.
b. A good reading costs one pass over the values and one comparison for each rule; a void block ends at its first word
   that is neither 0x0000 nor 0xFFFF.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport fabs, isnan
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

OUTSIDE, VOID, PRODUCT, DEAD, UNEQUAL, STATE, PRESENCE, NAMEPLATE = 1, 2, 4, 8, 16, 32, 64, 128

cdef enum Finding:
    _OUTSIDE = 1
    _VOID = 2
    _PRODUCT = 4
    _DEAD = 8
    _UNEQUAL = 16
    _STATE = 32
    _PRESENCE = 64
    _NAMEPLATE = 128


cdef int MOST_WORDS = 65536  # Modbus addresses have 16 bits
cdef double TINY = 1e-12     # a float below is a word-order fault, or 0
cdef double SHARE = 0.05     # difference of a sum, and of an apparent power, as a share of the larger
cdef double DIFFERENCE = 100.0  # and in W or VA


cdef struct Bound:
    double low
    double high
    int position  # word of a float, or -1
    int length
    bint little


cdef struct Head:
    int index      # value of the rule: power, total, apparent power, state
    int first      # its first item
    int middle     # first item of the second kind: the ranges of a block, the magnitudes of a port
    int end
    double amount  # slack of a product


cdef struct Item:
    int index
    int second
    int position
    int second_position
    double amount


cdef inline bint infinite(const unsigned char *image, const Bound *bound) noexcept nogil:
    """Return whether the float's words are an infinity."""
    cdef uint64_t bits = 0
    cdef int i, at
    for i in range(bound.length):
        at = bound.position + (bound.length - 1 - i if bound.little else i)
        bits = bits << 16 | <uint64_t> image[2 * at] << 8 | image[2 * at + 1]
    if bound.length == 2:
        return bits & <uint64_t> 0x7FFFFFFF == <uint64_t> 0x7F800000
    return bits & <uint64_t> 0x7FFFFFFFFFFFFFFF == <uint64_t> 0x7FF0000000000000


@cython.final
cdef class Screen:
    cdef Bound *bounds
    cdef Head *heads
    cdef Item *items
    cdef int *counters
    cdef unsigned char *present
    cdef int count, counter_count, head_count, item_count
    cdef int blocks, products, ports, sums, pairs  # end of each kind in `heads`; the states are last
    cdef int nameplate
    cdef int words
    cdef double rated

    def __cinit__(self, bounds, blocks, counters, products, ports, sums, pairs, states, nameplate, words):
        cdef int i, head = 0, item = 0
        bounds, blocks, products, ports = list(bounds), list(blocks), list(products), list(ports)
        sums, pairs, states, counters = list(sums), list(pairs), list(states), list(counters)
        if not 0 <= words <= MOST_WORDS:
            raise ValueError(f"words: {words}, expected 0 to {MOST_WORDS}")
        self.words = words
        self.count = len(bounds)
        self.counter_count = len(counters)
        rules = len(blocks) + len(products) + len(ports) + len(sums) + len(pairs) + len(states)
        parts = sum(len(a) + len(b) for a, b in blocks) + sum(len(rule[2]) for rule in products)
        parts += sum(len(a) + len(b) for a, b in ports) + sum(len(rule[1]) for rule in sums)
        parts += len(pairs) + sum(len(rule[1]) for rule in states)
        # one element more than needed: calloc(0) may return NULL
        self.bounds = <Bound *> calloc(self.count + 1, sizeof(Bound))
        self.heads = <Head *> calloc(rules + 1, sizeof(Head))
        self.items = <Item *> calloc(parts + 1, sizeof(Item))
        self.counters = <int *> calloc(self.counter_count + 1, sizeof(int))
        self.present = <unsigned char *> calloc(self.count + 1, 1)
        if self.bounds == NULL or self.heads == NULL or self.items == NULL or self.counters == NULL:
            raise MemoryError
        if self.present == NULL:
            raise MemoryError
        for i, (low, high, position, length, little) in enumerate(bounds):
            if position >= 0 and not (length in (2, 4) and position + length <= words):
                raise ValueError(f"value {i}: {length} words at {position} are not a float within {words} words")
            self.bounds[i] = Bound(low, high, position, length, little)
        for i in range(self.counter_count):
            self.counters[i] = self.value(counters[i])
        self.nameplate = -1 if nameplate < 0 else self.value(nameplate)
        for positions, ranges in blocks:
            self.heads[head] = Head(0, item, item + len(positions), item + len(positions) + len(ranges), 0.0)
            for position in positions:
                self.items[item].position = self.word(position)
                item += 1
            for first, length in ranges:
                if length < 1:
                    raise ValueError(f"block {head}: a range of {length} words")
                self.items[item].position = self.word(first)
                self.items[item].second_position = self.word(first + length - 1)
                item += 1
            head += 1
        self.blocks = head
        for power, slack, group in products:
            self.heads[head] = Head(self.value(power), item, item, item + len(group), slack)
            for voltage, current, factor, position, second in group:
                self.items[item] = Item(
                    self.value(voltage),
                    -1 if current < 0 else self.value(current),
                    self.word(position),
                    self.word(second),
                    factor,
                )
                item += 1
            head += 1
        self.products = head
        for voltages, magnitudes in ports:
            self.heads[head] = Head(0, item, item + len(voltages), item + len(voltages) + len(magnitudes), 0.0)
            for index in voltages:
                self.items[item].index = self.value(index)
                item += 1
            for index, threshold in magnitudes:
                self.items[item].index = self.value(index)
                self.items[item].amount = threshold
                item += 1
            head += 1
        self.ports = head
        for total, summands in sums:
            self.heads[head] = Head(self.value(total), item, item, item + len(summands), 0.0)
            for index in summands:
                self.items[item].index = self.value(index)
                item += 1
            head += 1
        self.sums = head
        for apparent, active in pairs:
            self.heads[head] = Head(self.value(apparent), item, item, item + 1, 0.0)
            self.items[item].index = self.value(active)
            item += 1
            head += 1
        self.pairs = head
        for state, allowed in states:
            self.heads[head] = Head(self.value(state), item, item, item + len(allowed), 0.0)
            for number in allowed:
                self.items[item].amount = number
                item += 1
            head += 1
        self.head_count = head
        self.item_count = item

    def __init__(self, *_, **__):
        """Do nothing: `__cinit__` has initialised all. The method gives the class the stub's signature."""

    def __dealloc__(self):
        free(self.bounds)
        free(self.heads)
        free(self.items)
        free(self.counters)
        free(self.present)

    cdef int value(self, index) except -1:
        if not 0 <= index < self.count:
            raise ValueError(f"value {index} is not within {self.count} values")
        return index

    cdef int word(self, position) except -1:
        if not 0 <= position < self.words:
            raise ValueError(f"word {position} is not within {self.words} words")
        return position

    cdef int check_values(self, const double *values, const unsigned char *image, const unsigned char *valid) noexcept nogil:
        """Compare each value with its bounds, and the absent ones with the previous call's."""
        cdef int found = 0
        cdef int i, j
        cdef double number
        cdef const Bound *bound
        cdef bint read
        for i in range(self.count):
            bound = &self.bounds[i]
            number = values[i]
            if isnan(number):
                if self.present[i]:
                    self.present[i] = 0
                    found |= _PRESENCE
                if bound.position >= 0:
                    read = True
                    for j in range(bound.position, bound.position + bound.length):
                        read = read and valid[j]
                    if read and infinite(image, bound):
                        found |= _OUTSIDE
                continue
            if not self.present[i]:
                self.present[i] = 1
                found |= _PRESENCE
            if not bound.low <= number <= bound.high:
                found |= _OUTSIDE
            elif bound.position >= 0 and number != 0.0 and fabs(number) < TINY:
                found |= _OUTSIDE
        return found

    cdef bint void(
        self, const Head *head, const double *values, const unsigned char *image, const unsigned char *valid
    ) noexcept nogil:
        """Return whether all words of a block are 0x0000, without a counter above 0, or all 0xFFFF."""
        cdef bint zeros = True
        cdef bint ones = True
        cdef bint judged = False
        cdef int i, j
        cdef uint16_t bits
        for i in range(head.first, head.middle):
            judged = judged or valid[self.items[i].position]
        if not judged:
            return False
        for i in range(head.middle, head.end):
            for j in range(self.items[i].position, self.items[i].second_position + 1):
                if not valid[j]:
                    continue
                bits = <uint16_t> (image[2 * j] << 8 | image[2 * j + 1])
                zeros = zeros and bits == 0
                ones = ones and bits == 0xFFFF
                if not (zeros or ones):
                    return False
        if ones:
            return True
        for i in range(self.counter_count):
            if values[self.counters[i]] > 0.0:
                return False
        return True

    cdef int exceeds(self, const Head *head, const double *values, const unsigned char *valid) noexcept nogil:
        """Return 2 if a power exceeds the sum of its rule, 1 if not, 0 if the sum is unknown.

        Many devices fill what they do not measure with 0: a sum of 0 is unknown, and a power beside it is examined.
        """
        cdef double limit = 0.0
        cdef double voltage, current
        cdef bint known = False
        cdef int i
        cdef const Item *item
        if isnan(values[head.index]):
            return 0
        for i in range(head.first, head.end):
            item = &self.items[i]
            voltage = values[item.index]
            current = values[item.second] if item.second >= 0 else 1.0
            if isnan(voltage) and (isnan(current) or item.second < 0) and valid[item.position] and valid[item.second_position]:
                continue
            if isnan(voltage) or isnan(current):
                return 0
            known = True
            limit += fabs(voltage * current) * item.amount
        if not known:
            return 0
        if fabs(values[head.index]) > limit + head.amount:
            return 2
        return 1 if limit > 0.0 else 0

    cdef bint dead(self, const Head *head, const double *values) noexcept nogil:
        """Return whether power or current flows through a port whose voltages are all 0."""
        cdef bint known = False
        cdef int i
        for i in range(head.first, head.middle):
            if isnan(values[self.items[i].index]):
                continue
            if values[self.items[i].index] != 0.0:
                return False
            known = True
        if known:
            for i in range(head.middle, head.end):
                if fabs(values[self.items[i].index]) > self.items[i].amount:
                    return True
        return False

    cdef bint unequal(self, const Head *head, const double *values) noexcept nogil:
        """Return whether a total differs from its parts, which are not all 0."""
        cdef double total = values[head.index]
        cdef double added = 0.0
        cdef bint zeros = True
        cdef int i
        for i in range(head.first, head.end):
            added += values[self.items[i].index]  # NaN makes all comparisons false
            zeros = zeros and values[self.items[i].index] == 0.0
        return not zeros and fabs(total - added) > DIFFERENCE and fabs(total - added) > SHARE * max(
            fabs(total), fabs(added)
        )

    cdef int examine(self, const double *values, const unsigned char *image, const unsigned char *valid) noexcept nogil:
        cdef int found = self.check_values(values, image, valid)
        cdef int i, j, verdict
        cdef double number, other
        cdef bint allowed
        for i in range(self.blocks):
            if self.void(&self.heads[i], values, image, valid):
                found |= _VOID
        j = -1
        for i in range(self.blocks, self.products):
            if self.heads[i].index == j:
                continue  # a better rule has decided
            verdict = self.exceeds(&self.heads[i], values, valid)
            if verdict:
                j = self.heads[i].index
            if verdict == 2:
                found |= _PRODUCT
        for i in range(self.products, self.ports):
            if self.dead(&self.heads[i], values):
                found |= _DEAD
        for i in range(self.ports, self.sums):
            if self.unequal(&self.heads[i], values):
                found |= _UNEQUAL
        for i in range(self.sums, self.pairs):
            number, other = values[self.heads[i].index], fabs(values[self.items[self.heads[i].first].index])
            if number > 0.0 and other - number > DIFFERENCE and other - number > SHARE * other:
                found |= _UNEQUAL
        for i in range(self.pairs, self.head_count):
            allowed = False
            for j in range(self.heads[i].first, self.heads[i].end):
                allowed = allowed or values[self.heads[i].index] == self.items[j].amount
            if not allowed:
                found |= _STATE
        if self.nameplate >= 0 and values[self.nameplate] > 0.0 and values[self.nameplate] != self.rated:
            self.rated = values[self.nameplate]
            found |= _NAMEPLATE
        return found

    def check(self, bytes values not None, bytes image not None, bytes valid not None):
        if PyBytes_GET_SIZE(values) != self.count * <Py_ssize_t> sizeof(double):
            raise ValueError(f"values: {len(values)} bytes, expected {8 * self.count}")
        if PyBytes_GET_SIZE(image) != 2 * self.words:
            raise ValueError(f"image: {len(image)} bytes, expected {2 * self.words}")
        if PyBytes_GET_SIZE(valid) != self.words:
            raise ValueError(f"valid: {len(valid)} bytes, expected {self.words}")
        return self.examine(
            <const double *> PyBytes_AS_STRING(values),
            <const unsigned char *> PyBytes_AS_STRING(image),
            <const unsigned char *> PyBytes_AS_STRING(valid),
        )
