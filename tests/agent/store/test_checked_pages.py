"""Pages with checksums: what was written is read back, and a damaged page is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.store.checked_pages import PAGE_ROOM, make_pages, split_pages
from wattgram.store.disk import PAGE

PIECES = st.lists(st.sampled_from((b"", b"\0", b"a", bytes(PAGE_ROOM), b"b" * PAGE_ROOM)), max_size=6)


@given(PIECES, st.integers(0, 8))
def test_content_is_read_back_up_to_zeros_at_its_end(pieces: list[bytes], pages: int) -> None:
    content = b"".join(pieces)
    found, broken = split_pages(make_pages(content, pages * PAGE))
    assert broken == set()
    assert found.rstrip(b"\0") == content.rstrip(b"\0")
    assert len(found) % PAGE_ROOM == 0


def test_empty_pages_at_the_end_have_no_content() -> None:
    assert split_pages(make_pages(b"a", 1024 * PAGE)) == (b"a".ljust(PAGE_ROOM, b"\0"), set())
    assert split_pages(make_pages(b"", 1024 * PAGE)) == (b"", set())
    assert split_pages(b"") == (b"", set())


@pytest.mark.parametrize("number", [0, 1, 2, 7])
@pytest.mark.parametrize("place", [0, PAGE_ROOM - 1, PAGE - 1])
def test_a_damaged_page_is_known_also_behind_empty_pages(number: int, place: int) -> None:
    pages = bytearray(make_pages(b"a" * PAGE_ROOM * 2, 8 * PAGE))
    pages[number * PAGE + place] ^= 0x10
    found, broken = split_pages(bytes(pages))
    assert broken == {number}
    assert len(found) == max(2, number + 1) * PAGE_ROOM


def test_a_file_that_was_cut_within_a_page_has_a_damaged_page_at_its_end() -> None:
    pages = make_pages(b"a" * PAGE_ROOM * 2, 8 * PAGE)
    assert split_pages(pages[: PAGE + 100]) == (b"a" * PAGE_ROOM + (b"a" * 100).ljust(PAGE_ROOM, b"\0"), {1})
    assert split_pages(pages[: 5 * PAGE + 100])[1] == {5}
