"""Pages with a checksum each, so that one whose content is gone cannot pass for one that was not written again."""

from __future__ import annotations

import struct
import zlib

from .disk import PAGE

PAGE_ROOM = PAGE - 64
"""Bytes of a page that are its content's; the rest, of which a checksum is the end, keeps that a multiple of 64."""

_SUM = struct.Struct("<60xI")
_EMPTY = bytes(PAGE_ROOM) + _SUM.pack(zlib.crc32(bytes(PAGE_ROOM)))


def sealed(content: bytes, size: int = 0) -> bytes:
    """Pages that hold the content, which ends with zeros; with a `size` so many bytes, which end with empty pages."""
    parts = [content[start : start + PAGE_ROOM].ljust(PAGE_ROOM, b"\0") for start in range(0, len(content), PAGE_ROOM)]
    pages = b"".join(part + _SUM.pack(zlib.crc32(part)) for part in parts)
    return pages + _EMPTY * ((size - len(pages)) // PAGE)


def opened(pages: bytes) -> tuple[bytes, set[int]]:
    """The content of pages, whatever it is, and the numbers of those that are not as they were written."""
    # In one piece: thousands of small ones would stay with the process, on a machine that has little.
    content = bytearray()
    broken: set[int] = set()
    for number, start in enumerate(range(0, len(pages), PAGE)):
        page = pages[start : start + PAGE].ljust(PAGE, b"\0")
        content += page[:PAGE_ROOM]
        if _SUM.unpack_from(page, PAGE_ROOM) != (zlib.crc32(page[:PAGE_ROOM]),):
            broken.add(number)
    return bytes(content), broken
