"""Pages with a checksum each, to distinguish a damaged page from a page that was not written again."""

from __future__ import annotations

import struct
import zlib

from .disk import PAGE

PAGE_ROOM = PAGE - 64
"""Bytes of content in a page; the rest ends with a checksum and keeps the content a multiple of 64."""

_SUM = struct.Struct("<60xI")
_EMPTY_PAGE = bytes(PAGE_ROOM) + _SUM.pack(zlib.crc32(bytes(PAGE_ROOM)))


def make_pages(content: bytes, size: int = 0) -> bytes:
    """Return pages with the content, zero-padded; with a `size`, empty pages fill up to this size."""
    parts = [content[start : start + PAGE_ROOM].ljust(PAGE_ROOM, b"\0") for start in range(0, len(content), PAGE_ROOM)]
    pages = b"".join(part + _SUM.pack(zlib.crc32(part)) for part in parts)
    return pages + _EMPTY_PAGE * ((size - len(pages)) // PAGE)


def split_pages(pages: bytes) -> tuple[bytes, set[int]]:
    """Return the content of pages, damaged or not, and the numbers of the damaged pages.

    Without the content of the empty pages at the end: a journal of 4 MB holds a few pages most of the time, and each
    reader of a history reads a journal.
    """
    end = len(pages)
    while end % PAGE == 0 and pages.endswith(_EMPTY_PAGE, 0, end):
        end -= PAGE
    # One buffer: the memory of thousands of small ones would stay with the process, on a machine with little memory.
    content = bytearray()
    broken: set[int] = set()
    for number, start in enumerate(range(0, end, PAGE)):
        page = pages[start : start + PAGE].ljust(PAGE, b"\0")
        content += page[:PAGE_ROOM]
        if _SUM.unpack_from(page, PAGE_ROOM) != (zlib.crc32(page[:PAGE_ROOM]),):
            broken.add(number)
    return bytes(content), broken
