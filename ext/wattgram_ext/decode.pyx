# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Decode registers to numbers.

a. Each field is a C struct, checked once in the constructor; `value` relies on these checks.
b. value = (raw - offset) * numerator / denominator. A scale register's power of ten multiplies the numerator or the
   denominator, so that both stay whole numbers and a decimal scale costs one rounding: 2301 with 1/10 is 230.1.
c. Decoding a reading takes less than a microsecond, so the interpreter's lock is not released.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, NAN, fabs, isfinite
from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from .power_factors cimport (
    LARGEST_FACTOR, LEAST_FLOAT, LEAST_SHARE, MOST_PROOF, PERCENT, RATIO, RATIO_EXPONENT, Unit, Votes, elected,
    expected_size, vote,
)


cdef enum Kind:
    U16, I16, U32, I32, U64, I64, F32, F64


cdef dict KINDS = {
    "u16": U16, "i16": I16, "u32": U32, "i32": I32, "u64": U64, "i64": I64, "f32": F32, "f64": F64,
}
cdef int MOST_WORDS = 65536  # Modbus addresses have 16 bits


cdef struct Field:
    Kind kind
    bint little
    int position        # word
    int length          # words side by side at the position
    int low             # word of the low half of a value whose two words stand apart, or -1
    int variant         # index of its variant, or -1
    int scale_position  # word, or -1
    int direction       # word, or -1
    uint16_t mask
    uint16_t negative
    uint16_t contrary   # flags that contradict each other when all are set, 0 for none
    bint quadrants
    bint magnitude
    int active          # field of the active power that proves a power factor in percent, or -1
    int apparent
    int invalid         # index of the first of its patterns in the common list
    int invalid_end
    double numerator
    double denominator
    double offset


cdef struct Guard:
    int position        # word
    int length          # words
    int patterns        # index of the first of its patterns in the common list
    int patterns_end


cdef struct Variant:
    Field field
    bint absent         # the value does not exist while all guards hold
    int guards          # index of the first of its guards
    int guards_end


cdef struct Factor:
    int target
    int factor


cdef double[11] POWERS = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10]


cdef inline uint64_t word(const unsigned char *image, int position) noexcept nogil:
    """Return a word; the bytes on the wire are big-endian."""
    return <uint64_t> image[2 * position] << 8 | image[2 * position + 1]


cdef inline uint64_t pattern(const Field *field, const unsigned char *image) noexcept nogil:
    """Return the field's raw bits, high word first."""
    cdef uint64_t bits = 0
    cdef int first = field.position
    cdef int i
    if field.low >= 0:
        return word(image, first) << 16 | word(image, field.low)
    if field.little:
        for i in range(field.length - 1, -1, -1):
            bits = bits << 16 | word(image, first + i)
    else:
        for i in range(field.length):
            bits = bits << 16 | word(image, first + i)
    return bits


cdef inline double number(Kind kind, uint64_t bits) noexcept nogil:
    """Return the bits as a double, before scaling. Integers beyond 2**53 are rounded to nearest."""
    cdef uint32_t low = <uint32_t> bits
    cdef float single
    cdef double double_
    if kind == U16 or kind == U32 or kind == U64:
        return <double> bits
    elif kind == I16:
        return <double> <int16_t> <uint16_t> bits
    elif kind == I32:
        return <double> <int32_t> low
    elif kind == I64:
        return <double> <int64_t> bits
    elif kind == F32:
        memcpy(&single, &low, sizeof(single))
        return single
    else:
        memcpy(&double_, &bits, sizeof(double_))
        return double_


cdef inline double usual_value(
    const Field *field,
    const uint64_t *invalid,
    const unsigned char *image,
    const unsigned char *valid,
) noexcept nogil:
    """Return the field's value in its unit; NaN if not read, not available, without a valid scale, or not finite."""
    cdef double raw, result, numerator = field.numerator, denominator = field.denominator
    cdef uint64_t bits, flags
    cdef int exponent, i
    for i in range(field.position, field.position + field.length):
        if not valid[i]:
            return NAN
    if field.low >= 0 and not valid[field.low]:
        return NAN
    bits = pattern(field, image)
    for i in range(field.invalid, field.invalid_end):
        if bits == invalid[i]:
            return NAN
    if field.scale_position >= 0:
        if not valid[field.scale_position]:
            return NAN
        exponent = <int16_t> <uint16_t> word(image, field.scale_position)
        if exponent < -10 or exponent > 10:  # includes 0x8000, SunSpec's "not implemented"
            return NAN
        if exponent < 0:
            denominator *= POWERS[-exponent]
        else:
            numerator *= POWERS[exponent]
    raw = number(field.kind, bits) - field.offset
    if field.magnitude:
        raw = fabs(raw)
    if field.direction >= 0:
        if not valid[field.direction]:
            return NAN
        flags = word(image, field.direction)
        if field.mask != 0xFFFF and flags in (0xFFFF, 0x7FFF) or field.contrary and flags & field.contrary == field.contrary:
            return NAN  # not available, or charging and discharging at once
        # a register that signs its value itself needs no direction: newer firmware leaves the bits at 0
        if raw > 0 and flags & field.mask == field.negative:
            raw = -raw
    result = raw * numerator / denominator
    if field.quadrants:
        if result > 1:
            result = 2 - result
        elif result < -1:
            result = -2 - result
    return result if isfinite(result) else NAN


cdef inline int held(
    const Guard *guard, const uint64_t *invalid, const unsigned char *image, const unsigned char *valid
) noexcept nogil:
    """Return 1 if the guard's words are one of its patterns, 0 if not, -1 if a word was not read."""
    cdef uint64_t bits = 0
    cdef int i
    for i in range(guard.position, guard.position + guard.length):
        if not valid[i]:
            return -1
        bits = bits << 16 | word(image, i)
    for i in range(guard.patterns, guard.patterns_end):
        if bits == invalid[i]:
            return 1
    return 0


cdef inline double value(
    const Field *field,
    const Variant *variants,
    const Guard *guards,
    const uint64_t *invalid,
    const unsigned char *image,
    const unsigned char *valid,
) noexcept nogil:
    """Return the field's value, or that of its variant while all guards of the variant hold.

    NaN if a word of a guard was not read. A variant without a value leaves the field's own registers in force.
    """
    cdef const Variant *variant
    cdef double result
    cdef int i, holds
    if field.variant < 0:
        return usual_value(field, invalid, image, valid)
    variant = &variants[field.variant]
    for i in range(variant.guards, variant.guards_end):
        holds = held(&guards[i], invalid, image, valid)
        if holds < 0:
            return NAN
        if holds == 0:
            return usual_value(field, invalid, image, valid)
    if variant.absent:
        return NAN
    result = usual_value(&variant.field, invalid, image, valid)
    return result if isfinite(result) else usual_value(field, invalid, image, valid)


cdef tuple OPTIONAL = (False, -1, -1, -1, None, 0)  # what a shorter field leaves out, from element 12 on
cdef int REQUIRED = 12
cdef int VARIANT = 16


def complete(field):
    """Return a field with its optional elements."""
    return (*field, *OPTIONAL[len(field) - REQUIRED :])


def pattern_count(field):
    """Return how many bit patterns a complete field, its variant and the variant's guards have."""
    if field[VARIANT] is None:
        return len(field[6])
    guards, other = field[VARIANT]
    return len(field[6]) + sum(len(patterns) for _, _, patterns in guards) + (0 if other is None else len(other[6]))


@cython.final
cdef class Decoder:
    cdef Field *fields
    cdef Variant *variants
    cdef Guard *guards
    cdef Factor *factors
    cdef uint64_t *invalid
    cdef int filled
    cdef Py_ssize_t count
    cdef Py_ssize_t factor_count
    cdef Py_ssize_t words
    cdef bint undecided  # whether power factors may be percent or a ratio

    def __cinit__(self, fields, factors, words):
        fields = [complete(field) for field in fields]
        factors = list(factors)
        if not 0 <= words <= MOST_WORDS:
            raise ValueError(f"words: {words}, expected 0 to {MOST_WORDS}")
        self.words = words
        self.count = len(fields)
        self.factor_count = len(factors)
        patterns = sum(pattern_count(field) for field in fields)
        variants = [field[VARIANT] for field in fields if field[VARIANT] is not None]
        # one element more than needed: calloc(0) may return NULL
        self.fields = <Field *> calloc(self.count + 1, sizeof(Field))
        self.variants = <Variant *> calloc(len(variants) + 1, sizeof(Variant))
        self.guards = <Guard *> calloc(sum(len(guards) for guards, _ in variants) + 1, sizeof(Guard))
        self.factors = <Factor *> calloc(self.factor_count + 1, sizeof(Factor))
        self.invalid = <uint64_t *> calloc(patterns + 1, sizeof(uint64_t))
        if self.fields == NULL or self.variants == NULL or self.guards == NULL or self.factors == NULL:
            raise MemoryError
        if self.invalid == NULL:
            raise MemoryError
        self.set_fields(fields)
        self.set_factors(factors)

    def __init__(self, *_, **__):
        """Do nothing: `__cinit__` has initialised all. The method gives the class the stub's signature."""

    def __dealloc__(self):
        free(self.fields)
        free(self.variants)
        free(self.guards)
        free(self.factors)
        free(self.invalid)

    cdef int set_fields(self, list fields) except -1:
        cdef Variant *variant
        cdef Guard *guard
        cdef int variants = 0
        cdef int guards = 0
        for i, field in enumerate(fields):
            self.set_field(&self.fields[i], f"field {i}", field)
            if field[VARIANT] is None:
                continue
            conditions, other = field[VARIANT]
            self.fields[i].variant = variants
            variant = &self.variants[variants]
            variants += 1
            variant.guards = guards
            for position, length, patterns in conditions:
                if not 1 <= length <= 4 or not 0 <= position <= self.words - length:
                    raise ValueError(f"field {i}: guard of {length} words at {position} is not within {self.words} words")
                guard = &self.guards[guards]
                guards += 1
                guard.position = position
                guard.length = length
                guard.patterns = self.filled
                self.set_patterns(f"field {i}: guard", patterns, length)
                guard.patterns_end = self.filled
            variant.guards_end = guards
            variant.absent = other is None
            if other is not None:
                self.set_field(&variant.field, f"variant of field {i}", complete(other))
        return 0

    cdef int set_field(self, Field *field, str place, settings) except -1:
        (
            position, kind, little, numerator, denominator, scale_position, invalid,
            offset, quadrants, direction, mask, negative, magnitude, active, apparent, low, _, contrary,
        ) = settings
        if kind not in KINDS:
            raise ValueError(f"{place}: type {kind!r}, expected one of {' '.join(KINDS)}")
        words = int(kind[1:]) // 16
        length = words if low < 0 else 1
        if not 0 <= position <= self.words - length:
            raise ValueError(f"{place}: {kind} at word {position} is not within {self.words} words")
        if not -1 <= low < self.words or (low >= 0 and words != 2):
            raise ValueError(f"{place}: low word of {kind} at {low}, expected two words within {self.words}")
        if not -1 <= scale_position < self.words:
            raise ValueError(f"{place}: scale at {scale_position} is not within {self.words} words")
        if not -INFINITY < numerator < INFINITY or not 0 < denominator < INFINITY:
            raise ValueError(f"{place}: scale {numerator}/{denominator}, expected finite and > 0 below")
        if not -INFINITY < offset < INFINITY:
            raise ValueError(f"{place}: offset {offset}, expected a finite one")
        if not -1 <= direction < self.words:
            raise ValueError(f"{place}: direction at {direction} is not within {self.words} words")
        if not (0 <= mask <= 0xFFFF and 0 <= negative <= 0xFFFF and 0 <= contrary <= 0xFFFF):
            raise ValueError(f"{place}: direction {mask:#x}, {negative:#x}, {contrary:#x}, expected 16 bits each")
        if not -1 <= active < self.count or not -1 <= apparent < self.count or (active < 0) != (apparent < 0):
            raise ValueError(f"{place}: powers {active}, {apparent} are not within {self.count} fields")
        field.kind = KINDS[kind]
        field.little = little
        field.position = position
        field.length = length
        field.low = low
        field.variant = -1
        field.scale_position = scale_position
        field.numerator = numerator
        field.denominator = denominator
        field.offset = offset
        field.quadrants = quadrants
        field.magnitude = magnitude
        field.active = active
        field.apparent = apparent
        self.undecided = self.undecided or active >= 0
        field.direction = direction
        field.mask = mask
        field.negative = negative
        field.contrary = contrary
        field.invalid = self.filled
        self.set_patterns(f"{place}: invalid", invalid, words)
        field.invalid_end = self.filled
        return 0

    cdef int set_patterns(self, str place, patterns, words) except -1:
        """Append patterns to the common list."""
        for bits in patterns:
            if not 0 <= bits < 1 << 16 * words:
                raise ValueError(f"{place} pattern {bits:#x} does not fit {words} words")
            self.invalid[self.filled] = bits
            self.filled += 1
        return 0

    cdef int set_factors(self, list factors) except -1:
        for i, (target, factor) in enumerate(factors):
            if not 0 <= target < self.count or not 0 <= factor < self.count:
                raise ValueError(f"factor {i}: fields {target}, {factor} are not within {self.count} fields")
            self.factors[i].target = target
            self.factors[i].factor = factor
        return 0

    cdef void fill(self, double *out, const unsigned char *image, const unsigned char *valid) noexcept nogil:
        cdef Py_ssize_t i
        cdef double factor, product
        for i in range(self.count):
            out[i] = value(&self.fields[i], self.variants, self.guards, self.invalid, image, valid)
        for i in range(self.factor_count):
            factor = out[self.factors[i].factor]
            if factor != 0:  # a transformer ratio of 0 was never configured, and counts as 1
                product = out[self.factors[i].target] * factor
                out[self.factors[i].target] = product if isfinite(product) else NAN
        if self.undecided:
            self.decide(out, image, valid)

    cdef void decide(self, double *out, const unsigned char *image, const unsigned char *valid) noexcept nogil:
        """Replace power factors that were read as percent by ratios if the device sends ratios.

        All points decide together, see `power_factors`. A power factor that nothing decides becomes NaN, unless it is
        0, or impossible either way.
        """
        cdef Py_ssize_t i
        cdef Field field
        cdef Votes votes = Votes(0, 0, False, False)
        cdef Unit unit
        cdef double least = LEAST_SHARE * self.largest_active(out)
        cdef bint fine
        for i in range(self.count):
            if self.is_open(i, out):
                field = self.fields[i]
                fine = field.scale_position >= 0
                fine = fine and <int16_t> <uint16_t> word(image, field.scale_position) <= RATIO_EXPONENT
                vote(&votes, fabs(out[i]), expected_size(out[field.active], out[field.apparent], least), fine)
        unit = elected(&votes)
        if unit == PERCENT:
            return
        for i in range(self.count):
            if self.is_open(i, out):
                field = self.fields[i]
                field.numerator *= 100
                out[i] = usual_value(&field, self.invalid, image, valid) if unit == RATIO else NAN

    cdef inline bint is_open(self, Py_ssize_t i, const double *out) noexcept nogil:
        """Return whether a value is a power factor that may be percent or a ratio.

        0 is the same in both. Values above 1.02 as percent and tiny floats are broken, and left to the caller.
        """
        cdef double size = fabs(out[i])
        if self.fields[i].active < 0 or not 0 < size <= 100 * LARGEST_FACTOR:
            return False
        return size >= LEAST_FLOAT or not (self.fields[i].kind == F32 or self.fields[i].kind == F64)

    cdef inline double largest_active(self, const double *out) noexcept nogil:
        """Return the largest active power of all witnesses, W; 0 for none."""
        cdef Py_ssize_t i
        cdef double active, largest = 0
        for i in range(self.count):
            if self.fields[i].active >= 0:
                active = fabs(out[self.fields[i].active])
                if active > largest and active <= MOST_PROOF * out[self.fields[i].apparent]:
                    largest = active
        return largest

    def decode(self, bytes image not None, bytes valid not None):
        cdef bytes out
        if PyBytes_GET_SIZE(image) != 2 * self.words:
            raise ValueError(f"image: {len(image)} bytes, expected {2 * self.words}")
        if PyBytes_GET_SIZE(valid) != self.words:
            raise ValueError(f"valid: {len(valid)} bytes, expected {self.words}")
        out = PyBytes_FromStringAndSize(NULL, self.count * <Py_ssize_t> sizeof(double))
        self.fill(
            <double *> PyBytes_AS_STRING(out),
            <const unsigned char *> PyBytes_AS_STRING(image),
            <const unsigned char *> PyBytes_AS_STRING(valid),
        )
        return out
