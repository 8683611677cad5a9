"""Secrets: read at each use, in any file of one line; no message repeats them."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import pytest
from wattgram.base.errors import SinkError
from wattgram.base.secret import SECRET_BYTES, SecretFile, revealed
from wattgram.base.tls import check_key
from wattgram.base.toml_table import Table, secret
from wattgram.mqtt import mqtt_settings

from tests.support.certificates import Certificates
from tests.support.servers import program

WORD = "hunter2-hunter2"


def mistakes(folder: Path, value: object) -> list[str]:
    table = Table("site.toml", "mqtt", {"password": value}, [])
    table.take("password", secret(folder), None)
    return table.mistakes


@pytest.mark.parametrize(
    "value",
    [
        WORD,
        {"value": WORD},
        {"plain": {"text": WORD}},
        {WORD: 1},
        {"env": WORD},
        {"env": [WORD]},
        {"file": {"name": WORD}},
        {"file": "x", "env": WORD},
        [WORD],
        {},
        {"env": ""},
        {"env": f"A={WORD}"},
        20261130,
    ],
)
def test_a_wrong_table_of_a_secret_is_one_line_without_its_content(tmp_path: Path, value: object) -> None:
    (line,) = mistakes(tmp_path, value)
    assert line.startswith("site.toml: mqtt.password: ")
    assert 'allowed: { env = "NAME" } or { file = "PATH" }' in line
    assert not any(word in line for word in (WORD, "20261130"))


def test_a_replaced_file_is_read_again_and_a_missing_one_leaves_the_last_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("old-token\n")
    found = SecretFile(path)
    assert revealed(found) == "old-token"
    (tmp_path / "new").write_bytes(b"\xef\xbb\xbfnew-token\r\n")  # by an editor on Windows
    (tmp_path / "new").rename(path)
    with caplog.at_level(logging.INFO):
        assert revealed(found) == "new-token"
        path.unlink()
        assert [revealed(found) for _ in range(3)] == ["new-token"] * 3
        path.write_text("")  # a writer has truncated the file, and has not yet written
        assert revealed(found) == "new-token"
        path.write_text("third-token")
        assert revealed(found) == "third-token"
    assert [record.getMessage().removeprefix(f"{path}: ") for record in caplog.records] == [
        "cannot be read: No such file or directory; wattgram goes on with the last secret",
        "found no secret but white space; wattgram goes on with the last secret",
        "usable again",
    ]
    assert "token" not in repr(found).replace(str(path), "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "found no secret but white space"),
        (b"\n \n", "found no secret but white space"),
        (b"one\ntwo\n", "found several lines or control characters"),
        (b"x\0y", "found several lines or control characters"),
        ("geheim".encode("utf-16"), "found UTF-16; allowed: UTF-8"),
        (b"gr\xfcn", "byte 2: found no UTF-8"),
        (b"x" * (SECRET_BYTES + 1), f"found more than {SECRET_BYTES} bytes"),
    ],
)
def test_a_file_without_a_secret_is_a_mistake(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "token").write_bytes(content)
    (line,) = mistakes(tmp_path, {"file": "token"})
    assert line.startswith(f"site.toml: mqtt.password: '{tmp_path}/token': {reason}")


def test_neither_fifo_nor_device_nor_directory_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    kinds = {"fifo": "a FIFO", "/dev/zero": "a device", ".": "a directory"}
    for name, kind in kinds.items():
        (line,) = mistakes(tmp_path, {"file": name})
        assert f"found {kind}; allowed: a regular file" in line


def test_an_encrypted_key_opens_with_its_passphrase_alone(tmp_path: Path, tls: Certificates) -> None:
    key = tmp_path / "client.key"
    openssl = program("openssl", "openssl")
    command = [openssl, "pkey", "-in", str(tls.client_key), "-aes256", "-passout", f"pass:{WORD}", "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    check_key(tls.client_cert, key, WORD)
    with pytest.raises(ValueError, match="found an encrypted key; allowed: with key_password"):
        check_key(tls.client_cert, key, None)
    with pytest.raises(ValueError, match="found a key that key_password does not open") as caught:
        check_key(tls.client_cert, key, "another")
    assert not isinstance(caught.value, SinkError)
    (tmp_path / "passphrase").write_text(WORD)
    for known, expected in (({}, "mqtt.key: found an encrypted key"), ({"key_password": {"file": "passphrase"}}, "")):
        data = {"url": "mqtts://b", "cert": str(tls.client_cert), "key": str(key), **known}
        table = Table("site.toml", "mqtt", data, [])
        mqtt_settings.read(table, tmp_path, {})
        assert [line for line in table.mistakes if expected and expected in line] == table.mistakes
