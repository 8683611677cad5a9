"""Addresses of buses: normal forms, sharing keys, and messages."""

from __future__ import annotations

import pytest
from wattgram_drivers.endpoint import Endpoint, parse


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("tcp://10.1.1.20", "tcp://10.1.1.20:502"),
        ("tcp://10.1.1.20:1502/", "tcp://10.1.1.20:1502"),
        ("TCP://Meter.Plant.Example:502", "tcp://meter.plant.example:502"),
        ("tcp://[2001:DB8:0:0::1]:502", "tcp://[2001:db8::1]:502"),
        ("rtutcp://gateway:4001", "rtutcp://gateway:4001"),
        ("rtutcp://gateway", "rtutcp://gateway:502"),
        ("rtu:///dev/ttyUSB0", "rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1&bytesize=8"),
        (
            "rtu:////dev//serial/by-id/x?parity=e&baudrate=19200",
            "rtu:///dev/serial/by-id/x?baudrate=19200&parity=E&stopbits=1&bytesize=8",
        ),
    ],
)
def test_an_address_has_one_normal_form(url: str, normal: str) -> None:
    endpoint = parse(url)
    assert str(endpoint) == normal
    assert parse(normal) == endpoint


def test_defaults_are_those_of_the_contract() -> None:
    assert parse("rtu:///dev/ttyS0") == Endpoint("rtu", "", 0, "/dev/ttyS0", 9600, "N", 1, 8)
    assert parse("tcp://host").port == 502


def test_endpoints_on_one_wire_share_a_key() -> None:
    assert parse("tcp://HOST").key == parse("tcp://host:502").key
    assert parse("tcp://[::1]").key == parse("tcp://[0:0::1]:502").key == "[::1]:502"
    assert parse("tcp://host:502").key == parse("rtutcp://host:502").key
    assert parse("rtu:///dev/ttyS0?baudrate=19200").key == parse("rtu:///dev//ttyS0").key == "/dev/ttyS0"
    assert parse("tcp://host:502").key != parse("tcp://host:503").key


def test_port_0_is_for_listening_only() -> None:
    assert parse("tcp://127.0.0.1:0", listen=True).port == 0
    with pytest.raises(ValueError, match="port 0 is not a port to connect to"):
        parse("tcp://127.0.0.1:0")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tpc://host", ["'tpc'", "tcp://host:502", "did you mean 'tcp'?"]),
        ("rtutpc://host", ["did you mean 'rtutcp'?"]),
        ("10.0.0.1:502", ["scheme", "tcp://host:502"]),
        ("", ["scheme", "tcp://host:502"]),
        ("tcp:host", ["tcp://host:502"]),
        ("tcp://", ["is not a host"]),
        ("tcp://bad host", ["'bad host' is not a host"]),
        ("tcp://host:70000", ["Port out of range 0-65535"]),
        ("tcp://host:5o2", ["is not an address"]),
        ("tcp://[::1", ["is not an address"]),
        ("tcp://user@host", ["found a user or password"]),
        ("tcp://user:pa/ss@host", ["found a user or password"]),
        ("tcp://host#part", ["a fragment (#) is not allowed"]),
        ("tcp://10.0.0.0/28", ["only host and port are allowed", "/28"]),
        ("tcp://host?unit=1", ["only host and port are allowed"]),
        ("rtu://ttyUSB0", ["'ttyUSB0'", "as in rtu:///dev/ttyUSB0"]),
        ("rtu:///dev/", ["is not the path of a serial line"]),
        ("rtu:///dev/ttyS0?boudrate=9600", ["'boudrate'", "baudrate, parity", "did you mean 'baudrate'?"]),
        ("rtu:///dev/ttyS0?baudrate=9601", ["baudrate '9601'", "19200", "did you mean '9600'?"]),
        ("rtu:///dev/ttyS0?baudrate=", ["baudrate ''"]),
        ("rtu:///dev/ttyS0?parity=evn", ["parity 'evn'", "N (none), E (even), O (odd)", "did you mean 'E'?"]),
        ("rtu:///dev/ttyS0?stopbits=3", ["stopbits '3'", "allowed: 1, 2"]),
        ("rtu:///dev/ttyS0?bytesize=7", ["bytesize '7'", "allowed: 8"]),
        ("rtu:///dev/ttyS0?parity=N&parity=E", ["'parity' is given twice"]),
        ("rtu:///dev/ttyS0?baudrate", ["name=value"]),
    ],
)
def test_the_message_of_a_wrong_address_names_found_and_allowed_words(url: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(url)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("url", "character", "silence"),
    [
        ("rtu:///dev/x?baudrate=9600", 10 / 9600, 38.5 / 9600),
        ("rtu:///dev/x?baudrate=19200&parity=E", 11 / 19200, 38.5 / 19200),
        ("rtu:///dev/x?baudrate=2400&stopbits=2", 11 / 2400, 38.5 / 2400),
        ("rtu:///dev/x?baudrate=115200", 10 / 115200, 0.00175),
        ("rtutcp://host", 0.0, 0.0),
    ],
)
def test_times_of_the_wire(url: str, character: float, silence: float) -> None:
    """By hand from Modbus over Serial Line V1.02, section 2.5.1.1."""
    line = parse(url)
    assert line.character == pytest.approx(character, rel=1e-12)
    assert line.silence == pytest.approx(silence, rel=1e-12)


def test_rarer_transports() -> None:
    assert str(parse("udp://10.1.1.20")) == "udp://10.1.1.20:502"
    assert str(parse("tls://10.1.1.20")) == "tls://10.1.1.20:802"  # Modbus/TCP Security V21, section 5
    secured = parse("tls://meter:8020?ca=/etc/ca.pem&cert=/etc/us.pem&key=/etc/us.key")
    assert (secured.port, secured.ca, secured.cert, secured.key_file) == (
        8020,
        "/etc/ca.pem",
        "/etc/us.pem",
        "/etc/us.key",
    )
    assert parse(str(secured)) == secured
    line = parse("ascii:///dev/ttyS0?bytesize=7&parity=E")
    assert line.serial
    assert parse(str(line)) == line


@pytest.mark.parametrize(
    ("url", "listen", "message"),
    [
        ("tls://meter?key=/etc/us.key", False, "found key without cert"),
        (
            "tls://meter?crt=/etc/us.pem",
            False,
            "option 'crt' is not known; allowed: ca, cert, key",
        ),
        ("udp://meter?ca=/etc/ca.pem", False, "only host and port are allowed"),
        ("rtu:///dev/ttyS0?bytesize=7", False, "bytesize '7'; allowed: 8"),
        ("udp://127.0.0.1:1502", True, "udp is not served; allowed: tcp, rtu, rtutcp"),
    ],
)
def test_mistakes_in_rarer_transports(url: str, listen: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(url, listen=listen)
