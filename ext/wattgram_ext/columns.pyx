# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Pack columns of numbers for a general compressor: as whole numbers where exact, then differences, then byte planes.

a. A number from a register is raw / 10^n, so `DECIMAL` restores the raw value; the idea is from ALP (Afroozeh,
   Kuffó and Boncz, "ALP: Adaptive Lossless floating-Point Compression", SIGMOD 2023). `pack` tries a form on every
   number and uses it only if all numbers are restored bit by bit.
b. Second-order differences of evenly growing numbers are zero: times, sequence numbers, counters.
c. Arithmetic is unsigned, 64 bits, with wrap-around, so that no difference overflows.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport fabs, llrint
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    int leading_zeros "__builtin_clzll"(unsigned long long) noexcept nogil


cdef enum Form:
    CONSTANT, WHOLE, DECIMAL, DECIMAL_SINGLE, SINGLE, DOUBLE

cdef int SPARSE = 0x80          # flag of a form: a mask marks the present numbers
cdef int MOST_DECIMALS = 9
cdef double LARGEST = 9007199254740992.0   # 2^53: every whole number up to this value is a double
cdef uint64_t ABSENT = 0x7FF8000000000000  # NaN of a missing number
cdef double[10] POWERS = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]


cdef inline uint64_t folded(uint64_t difference) noexcept nogil:
    """Return a code that is small for small differences of either sign."""
    return (difference << 1) ^ <uint64_t> (<int64_t> difference >> 63)


cdef inline uint64_t unfolded(uint64_t code) noexcept nogil:
    return (code >> 1) ^ (0 - (code & 1))


cdef inline int width(uint64_t code) noexcept nogil:
    """Return the number of bits of a code."""
    return 64 - leading_zeros(code) if code else 0


cdef inline uint64_t bits_of(double number) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &number, 8)
    return bits


cdef inline double number_of(uint64_t bits) noexcept nogil:
    cdef double number
    memcpy(&number, &bits, 8)
    return number


cdef inline double from_decimal(int64_t whole, int decimals, bint single) noexcept nogil:
    cdef double number = <double> whole / POWERS[decimals]
    return <double> <float> number if single else number


cdef inline bint as_decimal(double number, int decimals, bint single, int64_t *whole) noexcept nogil:
    """Return whether a number has at most `decimals` decimals; `whole` is the number x 10^decimals."""
    cdef double scaled = number * POWERS[decimals]
    if not fabs(scaled) < LARGEST:
        return False
    whole[0] = llrint(scaled)
    return bits_of(from_decimal(whole[0], decimals, single)) == bits_of(number)


cdef int decimals_of(const uint64_t *numbers, Py_ssize_t count, bint single, uint64_t *codes) noexcept nogil:
    """Return the least number of decimals sufficient for all numbers, -1 for none. codes: the whole numbers."""
    cdef int decimals = 0
    cdef Py_ssize_t i
    cdef int64_t whole
    for i in range(count):
        while not as_decimal(number_of(numbers[i]), decimals, single, &whole):
            decimals += 1
            if decimals > MOST_DECIMALS:
                return -1
    for i in range(count):
        if not as_decimal(number_of(numbers[i]), decimals, single, &whole):
            return -1
        codes[i] = <uint64_t> whole
    return decimals


cdef bint as_singles(const uint64_t *numbers, Py_ssize_t count, uint64_t *codes) noexcept nogil:
    """Return whether all numbers are exact in 32 bits. codes: their bits."""
    cdef Py_ssize_t i
    cdef float single
    cdef uint32_t bits
    for i in range(count):
        single = <float> number_of(numbers[i])
        if bits_of(<double> single) != numbers[i]:
            return False
        memcpy(&bits, &single, 4)
        codes[i] = bits
    return True


cdef int best_order(const uint64_t *codes, Py_ssize_t count) noexcept nogil:
    """Return the order with the smallest codes: difference to the first (0), to the previous (1), or second order (2)."""
    cdef uint64_t difference, before = 0
    cdef int64_t[3] cost = [0, 0, 0]
    cdef Py_ssize_t i
    for i in range(1, count):
        difference = codes[i] - codes[i - 1]
        cost[0] += width(folded(codes[i] - codes[0]))
        cost[1] += width(folded(difference))
        cost[2] += width(folded(difference - before))
        before = difference
    if cost[2] < cost[1] and cost[2] < cost[0]:
        return 2
    return 1 if cost[1] < cost[0] else 0


cdef Py_ssize_t put(uint64_t *codes, Py_ssize_t count, int form, int decimals, uint8_t *target) noexcept nogil:
    """Write codes: form, decimals and length of the first, order and planes, the first code, the planes.

    Return the number of bytes. `codes` is overwritten.
    """
    cdef int order = best_order(codes, count), planes = 0, length = (width(folded(codes[0])) + 7) // 8, plane
    cdef uint64_t first = codes[0], before = codes[0], difference = 0, last = 0, every = 0, code
    cdef Py_ssize_t i, at = 3
    for i in range(1, count):
        difference = codes[i] - (first if order == 0 else before)
        before = codes[i]
        codes[i] = folded(difference - last if order == 2 else difference)
        last = difference
        every |= codes[i]
    planes = (width(every) + 7) // 8
    target[0], target[1], target[2] = form, length << 4 | decimals, order << 4 | planes
    code = folded(first)
    for plane in range(length):
        target[at] = code >> 8 * plane
        at += 1
    for plane in range(planes):
        for i in range(1, count):
            target[at] = codes[i] >> 8 * plane
            at += 1
    return at


cdef Py_ssize_t pack_column(uint64_t *numbers, Py_ssize_t rows, uint64_t *codes, uint8_t *target) noexcept nogil:
    """Pack a column. Return the number of bytes, at most `most_bytes`. `numbers` is overwritten."""
    cdef Py_ssize_t i, count = 0, mask = (rows + 7) // 8
    cdef int form, decimals = 0
    cdef bint same = True
    for i in range(1, rows):
        if numbers[i] != numbers[0]:
            same = False
            break
    if same:
        target[0] = CONSTANT
        memcpy(target + 1, numbers, 8)
        return 9
    memset(target + 3, 0, mask)
    for i in range(rows):
        if numbers[i] != ABSENT:
            target[3 + i // 8] |= 1 << (i & 7)
            numbers[count] = numbers[i]
            count += 1
    form = DECIMAL
    decimals = decimals_of(numbers, count, False, codes)
    if decimals < 0:
        form = DECIMAL_SINGLE
        decimals = decimals_of(numbers, count, True, codes)
    if decimals < 0:
        decimals = 0
        form = SINGLE
        if not as_singles(numbers, count, codes):
            form = DOUBLE
            memcpy(codes, numbers, count * 8)
    if count == rows:
        return put(codes, count, form, decimals, target)
    # The mask is at the later position of the codes' head; it moves in front of the head.
    memcpy(numbers, target + 3, mask)
    target[0] = form | SPARSE
    memcpy(target + 1, numbers, mask)
    return 1 + mask + put(codes, count, form, decimals, target + 1 + mask)


cdef inline Py_ssize_t most_bytes(Py_ssize_t rows) noexcept nogil:
    """Return the most bytes of a packed column."""
    return 16 + (rows + 7) // 8 + 8 * rows


cdef Py_ssize_t take(
    const uint8_t *source, Py_ssize_t size, Py_ssize_t count, uint64_t *codes, int *form, int *decimals
) noexcept nogil:
    """Reverse `put`. Return the number of bytes read, -1 for too few or invalid bytes."""
    cdef int length, order, planes, plane
    cdef uint64_t code = 0, before, difference = 0
    cdef Py_ssize_t i, at = 3
    if size < 3 or count < 1:
        return -1
    form[0], length, decimals[0] = source[0], source[1] >> 4, source[1] & 15
    order, planes = source[2] >> 4, source[2] & 15
    if length > 8 or planes > 8 or order > 2 or decimals[0] > MOST_DECIMALS:
        return -1
    if size < 3 + length + planes * (count - 1):
        return -1
    for plane in range(length):
        code |= <uint64_t> source[at] << 8 * plane
        at += 1
    codes[0] = before = unfolded(code)
    memset(codes + 1, 0, 8 * (count - 1))
    for plane in range(planes):
        for i in range(1, count):
            codes[i] |= <uint64_t> source[at] << 8 * plane
            at += 1
    for i in range(1, count):
        code = unfolded(codes[i])
        if order == 0:
            codes[i] = codes[0] + code
        else:
            difference = difference + code if order == 2 else code
            before += difference
            codes[i] = before
    return at


cdef bint to_numbers(uint64_t *codes, Py_ssize_t count, int form, int decimals) noexcept nogil:
    """Convert codes of a form to the bits of numbers, in place. Return whether the form exists."""
    cdef Py_ssize_t i
    cdef float single
    cdef uint32_t bits
    if form == DECIMAL or form == DECIMAL_SINGLE:
        for i in range(count):
            codes[i] = bits_of(from_decimal(<int64_t> codes[i], decimals, form == DECIMAL_SINGLE))
    elif form == SINGLE:
        for i in range(count):
            bits = <uint32_t> codes[i]
            memcpy(&single, &bits, 4)
            codes[i] = bits_of(<double> single)
    elif form != DOUBLE:
        return False
    return True


cdef Py_ssize_t unpack_column(const uint8_t *source, Py_ssize_t size, Py_ssize_t rows, uint64_t *codes) noexcept nogil:
    """Unpack the bits of a column's numbers. Return the number of bytes read, -1 for damage."""
    cdef Py_ssize_t i, count = 0, mask = (rows + 7) // 8, used
    cdef int form = 0, decimals = 0
    cdef uint64_t bits
    if size < 1:
        return -1
    if source[0] == CONSTANT:
        if size < 9:
            return -1
        memcpy(&bits, source + 1, 8)
        for i in range(rows):
            codes[i] = bits
        return 9
    if not source[0] & SPARSE:
        used = take(source, size, rows, codes, &form, &decimals)
        if used < 0 or not to_numbers(codes, rows, form, decimals):
            return -1
        return used
    if size < 1 + mask:
        return -1
    for i in range(rows):
        count += source[1 + i // 8] >> (i & 7) & 1
    used = take(source + 1 + mask, size - 1 - mask, count, codes, &form, &decimals)
    if used < 0 or not to_numbers(codes, count, form, decimals):
        return -1
    for i in range(rows - 1, -1, -1):
        if source[1 + i // 8] >> (i & 7) & 1:
            count -= 1
            codes[i] = codes[count]
        else:
            codes[i] = ABSENT
    return 1 + mask + used


def pack(bytes values not None, Py_ssize_t fields):
    """Return rows of `fields` native doubles as packed columns. Every NaN keeps its bits.

    ValueError: the values are not whole rows.
    """
    cdef Py_ssize_t size = PyBytes_GET_SIZE(values), rows, field, row, used = 0
    cdef const uint64_t *numbers = <const uint64_t *> PyBytes_AS_STRING(values)
    cdef uint64_t *column
    cdef uint8_t *target
    if fields < 0 or (size % (8 * fields) if fields else size):
        raise ValueError(f"found {size} bytes, expected rows of {fields} doubles")
    if not size:
        return b""
    rows = size // (8 * fields)
    column = <uint64_t *> malloc(2 * 8 * (rows + 1))
    target = <uint8_t *> malloc(fields * most_bytes(rows))
    try:
        if column is NULL or target is NULL:
            raise MemoryError
        with nogil:
            for field in range(fields):
                for row in range(rows):
                    column[row] = numbers[row * fields + field]
                used += pack_column(column, rows, column + rows + 1, target + used)
        return PyBytes_FromStringAndSize(<char *> target, used)
    finally:
        free(column)
        free(target)


def unpack(bytes packed not None, Py_ssize_t rows, Py_ssize_t fields):
    """Return the values given to `pack`. ValueError: other number of rows or fields, or damage."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(packed), at = 0, used = 0, field, row
    cdef const uint8_t *source = <const uint8_t *> PyBytes_AS_STRING(packed)
    cdef uint64_t *column
    cdef uint64_t *numbers
    cdef bytes values
    if rows < 0 or fields < 0:
        raise ValueError(f"found {rows} rows of {fields} fields")
    if rows and fields > size:  # a column has more than one byte: reject impossible sizes before the allocation
        raise ValueError("damaged columns")
    values = PyBytes_FromStringAndSize(NULL, 8 * rows * fields)
    numbers = <uint64_t *> PyBytes_AS_STRING(values)
    column = <uint64_t *> malloc(8 * (rows + 1))
    if column is NULL:
        raise MemoryError
    try:
        if rows:
            with nogil:
                for field in range(fields):
                    used = unpack_column(source + at, size - at, rows, column)
                    if used < 0:
                        break
                    at += used
                    for row in range(rows):
                        numbers[row * fields + field] = column[row]
        if used < 0 or at != size:
            raise ValueError("damaged columns")
        return values
    finally:
        free(column)


def pack_whole(bytes values not None):
    """Return native 64-bit integers, packed. ValueError: the bytes are not whole integers."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(values), rows = size // 8, used
    cdef uint64_t *codes
    cdef uint8_t *target
    if size % 8:
        raise ValueError(f"found {size} bytes, expected whole numbers of 64 bits")
    if not size:
        return b""
    codes = <uint64_t *> malloc(size)
    target = <uint8_t *> malloc(most_bytes(rows))
    try:
        if codes is NULL or target is NULL:
            raise MemoryError
        memcpy(codes, PyBytes_AS_STRING(values), size)
        used = put(codes, rows, WHOLE, 0, target)
        return PyBytes_FromStringAndSize(<char *> target, used)
    finally:
        free(codes)
        free(target)


def unpack_whole(bytes packed not None, Py_ssize_t rows):
    """Return the integers given to `pack_whole`. ValueError: other number of rows, or damage."""
    cdef int form = 0, decimals = 0
    cdef Py_ssize_t size = PyBytes_GET_SIZE(packed)
    cdef const uint8_t *source = <const uint8_t *> PyBytes_AS_STRING(packed)
    cdef bytes values
    if rows < 0 or (rows == 0 and size):
        raise ValueError("damaged columns")
    if rows == 0:
        return b""
    # Numbers with a constant step need no planes, so few bytes may be many numbers; the caller bounds `rows`.
    values = PyBytes_FromStringAndSize(NULL, 8 * rows)
    if take(source, size, rows, <uint64_t *> PyBytes_AS_STRING(values), &form, &decimals) != size or form != WHOLE:
        raise ValueError("damaged columns")
    return values
