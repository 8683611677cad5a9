"""Settings as text of one form."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from math import nan
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.base.canonical import SECRET, canonical, changed_settings, digest, flat, plain


@dataclass(frozen=True)
class Broker:
    host: str
    port: float = 1883
    password: str | None = field(default=None, repr=False)


def test_settings_are_json_with_sorted_keys_and_whole_numbers_as_integers() -> None:
    settings = {"b": [1.5, 60.0, (2, None)], "a": Broker("x"), "zone": ZoneInfo("UTC"), "path": Path("/p")}
    assert canonical(settings) == (
        '{"a":{"host":"x","password":null,"port":1883},"b":[1.5,60,[2,null]],"path":"/p","zone":"UTC"}'
    )
    assert canonical({"ratio": 60}) == canonical({"ratio": 60.0})
    assert canonical({"one": 1, "two": 2}) == canonical({"two": 2, "one": 1})
    assert plain({"share": Fraction(1, 10), "unknown": nan, "set": {"b", "a"}, "yes": True}) == {
        "share": "1/10",
        "unknown": "nan",
        "set": ["a", "b"],
        "yes": True,
    }


def test_a_secret_is_only_said_to_be_there() -> None:
    assert plain(Broker("x", password="hunter2")) == {"host": "x", "port": 1883, "password": SECRET}
    assert canonical(Broker("x", password="a")) == canonical(Broker("x", password="b"))
    assert canonical(Broker("x", password="a")) != canonical(Broker("x"))


def test_the_digest_is_the_begin_of_sha_256_of_the_text() -> None:
    # FIPS 180-4 example: SHA-256 of "abc" begins with ba7816bf 8f01cfea.
    assert digest("abc") == "ba7816bf8f01cfea"
    assert digest("é") == hashlib.sha256("é".encode()).hexdigest()[:16]


def test_flat_names_each_value_by_its_keys() -> None:
    assert flat({"site": {"tick": 1}, "source": [{"kind": "file"}, {"kind": "mqtt"}], "of": ["a", 2], "no": None}) == {
        "site.tick": "1",
        "source.1.kind": "file",
        "source.2.kind": "mqtt",
        "of": '["a", 2]',
        "no": "null",
    }


def test_changed_settings_have_both_values_and_null_is_no_value() -> None:
    before, after = {"a": "1", "b": "null", "c": "x", "d": "2"}, {"e": "5", "a": "1", "c": "null", "d": "3"}
    assert changed_settings(before, after) == [("c", "x", None), ("d", "2", "3"), ("e", None, "5")]
