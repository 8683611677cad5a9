"""Each fault of a TOML text is one line, whatever its depth and size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from wattgram.base.errors import ConfigError
from wattgram.base.toml_text import DEEPEST, parsed
from wattgram.config.load import CONFIG_BYTES
from wattgram.delivery.configuration import load

from tests.support.command_runs import called


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 200 + "]" * 200,
        "a = " + "{ a = " * 5000,
        ".".join(["a"] * 500) + " = 1",
        "[" + ".".join(["a"] * 500) + "]",
        "a = [" + "{ b = [" * 40 + "]}" * 40 + "]",
    ],
)
def test_deep_nesting_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=f"more than {DEEPEST} levels|^not TOML: [^\n]*$"):
        parsed(text)


def test_a_number_with_too_many_digits_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^not TOML: .*digits"):
        parsed("a = " + "9" * 5000)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b"\xef\xbb\xbf[site]\r\nname = 'plant'\r\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.mistakes[-1] == f"{path}: device: missing; this key is required"
    assert parsed("\ufeffa = 1") == {"a": 1}


def test_neither_fifo_nor_device_nor_giant_is_read_as_a_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "giant").write_bytes(b"#" * (CONFIG_BYTES + 1))
    (tmp_path / "wide").write_bytes("[site]".encode("utf-16"))
    reasons = {
        "fifo": "found a FIFO; allowed: a regular file",
        "/dev/zero": "found a device; allowed: a regular file",
        ".": "found a directory; allowed: a regular file",
        "giant": f"found more than {CONFIG_BYTES} bytes",
        "wide": "found UTF-16; allowed: UTF-8 (in the editor: save as UTF-8)",
        "absent": "cannot be read: No such file or directory",
    }
    for name, reason in reasons.items():
        ended = called("check", "-c", name, cwd=tmp_path)
        assert (ended.code, ended.err) == (2, f"{name}: {reason}\n")


def test_a_register_map_is_bounded_in_the_same_way(tmp_path: Path) -> None:
    maps = tmp_path / "devices.d"
    maps.mkdir()
    os.mkfifo(maps / "pipe.toml")
    (maps / "deep.toml").write_text("a = " + "[" * 100_000)
    for name, reason in {"pipe": "a FIFO", "deep": "too many levels"}.items():
        (tmp_path / "site.toml").write_text(
            f'[site]\nname = "s"\n[grid]\nzone = "CN"\n[[device]]\nname = "m"\nrole = "grid"\ndriver = "{name}"\n'
            'url = "tcp://127.0.0.1"\n'
        )
        ended = called("check", "-c", "site.toml", cwd=tmp_path)
        assert ended.code == 2
        assert reason in ended.err
        assert ended.err.count("\n") == 1
