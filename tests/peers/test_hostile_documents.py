"""Documents of grid services, a megabyte each, made to cost memory: each costs less than 16 MB while it is parsed."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from wattgram.base.untrusted import JSON_ELEMENTS, document
from wattgram.grid.sources.fetch import RESPONSE_BYTES
from wattgram.grid.sources.small_xml import XML_ELEMENTS, parsed

from tests.peers.toll import MOST_MEMORY


def filled(unit: bytes, most: int, begin: bytes = b"[", end: bytes = b"0]", each: int = 1) -> bytes:
    """Repeat a unit with `each` elements, up to the most elements and to the size of a response."""
    count = min((most - 2) // each, (RESPONSE_BYTES - len(begin) - len(end)) // len(unit))
    return begin + unit * count + end


JSON = {
    "lists": filled(b"[],", JSON_ELEMENTS, each=2),
    "objects": filled(b"{},", JSON_ELEMENTS, each=3),
    "objects of one": filled(b'{"a":0},', JSON_ELEMENTS, each=3),
    "strings": filled(b'"abcdefg",', JSON_ELEMENTS),
    "numbers": filled(b"1234.5,", JSON_ELEMENTS),
    "wide characters": b'["' + "\U0001f30d".encode() * (RESPONSE_BYTES // 4 - 2) + b'"]',
    "chains": filled(b'{"a":' * 900 + b"0" + b"}" * 900 + b",", JSON_ELEMENTS, each=1801),
}
XML = {
    "elements": filled(b"<a/>", XML_ELEMENTS - 1, b"<r>", b"</r>"),
    "texts": filled(b"<a>bcdefgh</a>", XML_ELEMENTS - 1, b"<r>", b"</r>"),
    "attributes": filled(b'<a b="c" d="e" f="g"/>', XML_ELEMENTS - 1, b"<r>", b"</r>"),
    "one text": b"<r>" + b"x" * (RESPONSE_BYTES - 7) + b"</r>",
}


def cost(read: Callable[[bytes], object], data: bytes) -> int:
    """Return the peak of memory, bytes, while a document is parsed."""
    assert len(data) <= RESPONSE_BYTES
    gc.collect()
    tracemalloc.start()
    try:
        read(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", JSON)
def test_the_most_expensive_json_costs_little(shape: str) -> None:
    assert cost(document, JSON[shape]) < MOST_MEMORY


@pytest.mark.parametrize("shape", XML)
def test_the_most_expensive_xml_costs_little(shape: str) -> None:
    assert cost(parsed, XML[shape]) < MOST_MEMORY


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'{"a":0},', b"0,"])
def test_json_with_more_elements_is_refused_before_it_is_parsed(unit: bytes) -> None:
    with pytest.raises(ValueError, match="more than 100000 elements"):
        document(b"[" + unit * (RESPONSE_BYTES // len(unit) - 2) + b"0]")


def test_xml_with_more_elements_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 50000 elements"):
        parsed(b"<r>" + b"<a/>" * (XML_ELEMENTS + 1) + b"</r>")
