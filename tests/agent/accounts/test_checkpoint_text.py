"""The text of a checkpoint: whatever the state, and damaged or hostile texts."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.accounts.checkpoint_text import MOST_STATE, state_of, text_of


@given(st.binary(max_size=2000))
def test_a_state_comes_back_from_its_text(content: bytes) -> None:
    state = b'{"starts": {}}\n' + content
    assert state_of(text_of(state)) == state


def test_a_text_of_the_first_version_is_not_compressed() -> None:
    state = b'{"starts": {}}\n' + bytes(range(256))
    assert state_of(base64.b85encode(state).decode()) == state


def test_sums_of_zero_cost_nothing() -> None:
    assert len(text_of(b"{}\n" + bytes(6000))) < 100


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no stream", "damaged checkpoint"),
        (zlib.compress(b"{}\n" + bytes(100))[:-3], "cut off"),
        (zlib.compress(bytes(MOST_STATE + 1)), "above 1048576 bytes"),
    ],
)
def test_a_damaged_text_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        state_of(base64.b85encode(data).decode())
