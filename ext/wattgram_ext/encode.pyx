# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
# distutils: language = c++
"""Encode records as text.

a. Names and tags are escaped once, in the constructor; for each record, only copies and digits remain.
b. The maximum length of a record is known beforehand, so the inline functions `put_...` write to a bare pointer.
   Call `reserve` with this length first.
c. std::to_chars gives the digits: the shortest text that parses to the same double, in the notation of
   Python's repr without ".0".
d. A record is a single line: a line feed or carriage return becomes a space in line protocol, an escape in JSON.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport fabs, isfinite, rint
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy
from libcpp.string cimport string
from libcpp.vector cimport vector


cdef extern from "<charconv>" namespace "std" nogil:
    cdef cppclass chars_format:
        pass
    cdef cppclass to_chars_result:
        char *ptr
    to_chars_result to_chars(char *first, char *last, double value, chars_format notation)
    to_chars_result to_chars(char *first, char *last, int64_t value)

cdef extern from "<charconv>" namespace "std::chars_format" nogil:
    const chars_format fixed
    const chars_format scientific


cdef enum:
    NUMBER = 32  # no double needs more than 24 characters, no int64 more than 20
    TIME = 32


cdef inline char *put(char *at, const char *text, size_t length) noexcept nogil:
    memcpy(at, text, length)
    return at + length


cdef inline char *put_string(char *at, const string &text) noexcept nogil:
    return put(at, text.data(), text.size())


cdef inline char *put_double(char *at, double value) noexcept nogil:
    """Write repr(value) without a trailing ".0". The value is finite."""
    cdef double size = fabs(value)
    if size == 0 or 1e-4 <= size < 1e16:
        return to_chars(at, at + NUMBER, value, fixed).ptr
    return to_chars(at, at + NUMBER, value, scientific).ptr


cdef inline char *put_integer(char *at, int64_t value) noexcept nogil:
    return to_chars(at, at + NUMBER, value).ptr


cdef inline char *put_digits(char *at, int value, int width) noexcept nogil:
    """Write a number >= 0 with leading zeros."""
    cdef int i
    for i in range(width - 1, -1, -1):
        at[i] = <char> (c'0' + value % 10)
        value = value // 10
    return at + width


cdef inline char *put_quoted(char *at, const char *text, Py_ssize_t length) noexcept nogil:
    """Write a string value of line protocol, at most 2 * length + 2 characters."""
    cdef Py_ssize_t i
    at[0] = c'"'
    at += 1
    for i in range(length):
        if text[i] == c'"' or text[i] == c'\\':
            at[0] = c'\\'
            at += 1
        at[0] = c' ' if text[i] == c'\n' or text[i] == c'\r' else text[i]
        at += 1
    at[0] = c'"'
    return at + 1


cdef inline char *put_json_string(char *at, const char *text, Py_ssize_t length) noexcept nogil:
    """Write a string of JSON, at most 6 * length + 2 characters."""
    cdef const char *hexadecimal = b"0123456789abcdef"
    cdef Py_ssize_t i
    cdef unsigned char character
    at[0] = c'"'
    at += 1
    for i in range(length):
        character = <unsigned char> text[i]
        if character < 0x20:
            at = put(at, b"\\u00", 4)
            at[0] = hexadecimal[character >> 4]
            at[1] = hexadecimal[character & 15]
            at += 2
            continue
        if character == c'"' or character == c'\\':
            at[0] = c'\\'
            at += 1
        at[0] = <char> character
        at += 1
    at[0] = c'"'
    return at + 1


cdef inline char *put_time(char *at, int64_t seconds, int milliseconds) noexcept nogil:
    """Write RFC 3339, UTC, milliseconds, from seconds since 1970 within the years 0000 to 9999.

    Days to civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. Years
    start in March, and eras of 146097 days in the year 0, so that leap days come last.
    """
    cdef int64_t days = seconds // 86400  # cdivision truncates; the next lines correct it to a floor
    cdef int second = <int> (seconds - days * 86400)
    cdef int day_of_era, year_of_era, day_of_year, month, era
    if second < 0:
        second += 86400
        days -= 1
    days += 719468  # from 0000-03-01
    era = <int> ((days if days >= 0 else days - 146096) // 146097)
    day_of_era = <int> (days - era * <int64_t> 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153  # 0 is March
    at = put_digits(at, year_of_era + era * 400 + (month >= 10), 4)
    at = put_digits(put(at, b"-", 1), month + 3 if month < 10 else month - 9, 2)
    at = put_digits(put(at, b"-", 1), day_of_year - (153 * month + 2) // 5 + 1, 2)
    at = put_digits(put(at, b"T", 1), second // 3600, 2)
    at = put_digits(put(at, b":", 1), second // 60 % 60, 2)
    at = put_digits(put(at, b":", 1), second % 60, 2)
    at = put_digits(put(at, b".", 1), milliseconds, 3)
    return put(at, b"Z", 1)


cdef inline bint whole(double value) noexcept nogil:
    """Return whether the value fits a signed 64-bit integer."""
    return -9223372036854775808.0 <= value < 9223372036854775808.0


cdef str plain(text):
    """Return a name without line ends. ValueError: empty, or not text."""
    if not isinstance(text, str):
        raise ValueError(f"name {text!r}, expected text")
    # a backslash at the end would escape the following separator
    name = text.replace("\n", " ").replace("\r", " ").rstrip("\\")
    if not name:
        raise ValueError(f"name {text!r}, expected a text that is not empty")
    return name


cdef str escape(str name):
    """Return an escaped tag name, tag value or field name."""
    return name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


cdef string json_key(str name) except *:
    """Return a member's name as text after another member."""
    cdef bytes text = name.encode()
    cdef bytes out = PyBytes_FromStringAndSize(NULL, 6 * len(text) + 2)
    cdef char *start = PyBytes_AS_STRING(out)
    cdef char *end = put_json_string(start, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return b"," + out[:end - start] + b":"


@cython.final
cdef class Encoder:
    cdef string head               # measurement and tags
    cdef vector[string] line_keys  # of the texts, then of the numbers
    cdef vector[string] json_keys
    cdef vector[char] integer      # whether a number is an integer
    cdef size_t text_count
    cdef size_t number_count
    cdef size_t size               # maximum of a record, without its texts
    cdef char *buffer
    cdef size_t capacity

    def __cinit__(self, measurement, tags, fields, integers, texts):
        cdef bytes key
        fields, integers, texts = list(fields), list(integers), list(texts)
        names = [*texts, *fields]
        for name in names:
            if names.count(name) > 1 or name in ("time", "replayed"):
                raise ValueError(f"field {name!r} is there twice")
        for name in integers:
            if name not in fields:
                raise ValueError(f"integer {name!r}, expected one of {' '.join(map(str, fields))}")
        head = plain(measurement).replace(",", "\\,").replace(" ", "\\ ")
        if head.startswith("#"):
            raise ValueError(f"measurement {measurement!r} would be a comment")
        for tag, content in tags:
            if not isinstance(content, str):
                raise ValueError(f"tag {tag!r}: {content!r}, expected text")
            if content.rstrip("\\"):
                head += f",{escape(plain(tag))}={escape(plain(content))}"
        key = f"{head} ".encode()
        self.head = key
        self.size = self.head.size() + 2 * TIME + 32  # plus braces, "time" and "replayed"
        for name in names:
            key = f"{escape(plain(name))}=".encode()
            self.line_keys.push_back(key)
            self.json_keys.push_back(json_key(name))
            self.size += max(self.line_keys.back().size(), self.json_keys.back().size()) + NUMBER
        for name in fields:
            self.integer.push_back(name in integers)
        self.text_count = len(texts)
        self.number_count = len(fields)

    def __init__(self, *_, **__):
        """Do nothing: `__cinit__` has initialised all. The method gives the class the stub's signature."""

    def __dealloc__(self):
        free(self.buffer)

    cdef int reserve(self, size_t size) except -1:
        cdef char *buffer
        if size > self.capacity:
            buffer = <char *> realloc(self.buffer, size)
            if buffer == NULL:
                raise MemoryError
            self.buffer = buffer
            self.capacity = size
        return 0

    cdef int check(self, bytes values, tuple texts, size_t growth) except -1:
        """Raise ValueError for a record of another shape; reserve space for a valid record."""
        cdef size_t size = self.size
        cdef Py_ssize_t length
        if <size_t> PyBytes_GET_SIZE(values) != self.number_count * sizeof(double):
            raise ValueError(f"values: {len(values)} bytes, expected {self.number_count * sizeof(double)}")
        if <size_t> len(texts) != self.text_count:
            raise ValueError(f"texts: {len(texts)}, expected {self.text_count}")
        for text in texts:
            if not isinstance(text, str):
                raise ValueError(f"text {text!r}, expected str")
            PyUnicode_AsUTF8AndSize(text, &length)
            size += growth * length
        return self.reserve(size)

    cdef char *put_numbers_line(self, char *at, const double *values, const char *first) noexcept nogil:
        cdef size_t i
        for i in range(self.number_count):
            if not isfinite(values[i]) or (self.integer[i] and not whole(values[i])):
                continue
            if at != first:
                at = put(at, b",", 1)
            at = put_string(at, self.line_keys[self.text_count + i])
            if self.integer[i]:
                at = put(put_integer(at, <int64_t> rint(values[i])), b"i", 1)
            else:
                at = put_double(at, values[i])
        return at

    cdef char *put_numbers_json(self, char *at, const double *values) noexcept nogil:
        cdef size_t i
        for i in range(self.number_count):
            if not isfinite(values[i]) or (self.integer[i] and not whole(values[i])):
                continue
            at = put_string(at, self.json_keys[self.text_count + i])
            if self.integer[i]:
                at = put_integer(at, <int64_t> rint(values[i]))
            else:
                at = put_double(at, values[i])
        return at

    def line(self, bytes values not None, texts, time):
        cdef tuple strings = tuple(texts)
        cdef const char *text
        cdef const char *first
        cdef char *at
        cdef Py_ssize_t length
        cdef size_t i
        cdef int64_t nanoseconds
        if not -1 << 63 <= time < 1 << 63:
            raise ValueError(f"time: {time} ns does not fit line protocol's 64 bits")
        nanoseconds = time
        self.check(values, strings, 2)
        first = at = put_string(self.buffer, self.head)
        for i in range(self.text_count):
            text = PyUnicode_AsUTF8AndSize(strings[i], &length)
            if length == 0:
                continue
            if at != first:
                at = put(at, b",", 1)
            at = put_quoted(put_string(at, self.line_keys[i]), text, length)
        at = self.put_numbers_line(at, <const double *> PyBytes_AS_STRING(values), first)
        if at == first:
            return b""
        at = put_integer(put(at, b" ", 1), nanoseconds)
        return PyBytes_FromStringAndSize(self.buffer, at - self.buffer)

    def json(self, bytes values not None, texts, time, bint replayed):
        cdef tuple strings = tuple(texts)
        cdef const char *text
        cdef char *at
        cdef Py_ssize_t length
        cdef size_t i
        cdef int64_t seconds, nanoseconds
        # 0000-01-01 to the end of 9999; beyond 64 bits of nanoseconds, the division must be Python's
        if not -62167219200 * 10**9 <= time < 253402300800 * 10**9:
            raise ValueError(f"time: {time} ns is not within the years 0000 to 9999")
        seconds, nanoseconds = divmod(time, 10**9)
        self.check(values, strings, 6)
        at = put(self.buffer, b'{"time":"', 9)
        at = put(put_time(at, seconds, <int> (nanoseconds // 1000000)), b'"', 1)
        for i in range(self.text_count):
            text = PyUnicode_AsUTF8AndSize(strings[i], &length)
            if length:
                at = put_json_string(put_string(at, self.json_keys[i]), text, length)
        at = self.put_numbers_json(at, <const double *> PyBytes_AS_STRING(values))
        if replayed:
            at = put(at, b',"replayed":true', 16)
        at = put(at, b"}", 1)
        return PyBytes_FromStringAndSize(self.buffer, at - self.buffer)
