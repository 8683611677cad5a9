"""Control packets as bytes. Expected bytes follow the sections of the OASIS standard that the comments name."""

from __future__ import annotations

import pytest
from wattgram.mqtt.packets import LoginAnswer, acknowledgement, connect, login_answer, packet_size, received


def test_a_connect_has_login_and_last_will_in_the_order_of_the_standard() -> None:
    # 3.1.2, by hand: name "MQTT"; version 4; flags 0xEE: user name, password, will retained with QoS 1, will, clean
    # start; keep alive 15 s. 3.1.3: client, will topic, will message, user name, password.
    body = (
        b"\x00\x04MQTT\x04\xee\x00\x0f" + b"\x00\x02gw" + b"\x00\x03w/s" + b"\x00\x07offline" + b"\x00\x01u\x00\x02pw"
    )
    made = connect("gw", 15, version5=False, login=("u", "pw"), will=("w/s", b"offline"))
    assert made == bytes([0x10, len(body)]) + body


def test_a_connect_of_version_5_has_properties_and_the_largest_packet() -> None:
    # 3.1.2.11.4: property 0x27 and four bytes. Flags 0x02: a clean start alone.
    assert connect("", 15, version5=True, largest=69_632) == (
        b"\x10\x12\x00\x04MQTT\x05\x02\x00\x0f" + b"\x05\x27\x00\x01\x10\x00" + b"\x00\x00"
    )
    # 3.1.3.2: a will has properties of its own, here none.
    will = connect("", 15, version5=True, will=("t", b"x"), retained=False)
    assert will == b"\x10\x14\x00\x04MQTT\x05\x0e\x00\x0f\x00" + b"\x00\x00" + b"\x00\x00\x01t\x00\x01x"


def test_a_connack_gives_the_terms_of_the_broker() -> None:
    # 3.2.2.3: session expiry (0x11), receive maximum (0x21) 7, maximum QoS (0x24) 1, retain available (0x25) 0, maximum
    # packet size (0x27) 1000, assigned client identifier (0x12), user property (0x26), server keep alive (0x13) 9.
    properties = (
        b"\x11\x00\x00\x00\x00"
        + b"\x21\x00\x07"
        + b"\x24\x01"
        + b"\x25\x00"
        + b"\x27\x00\x00\x03\xe8"
        + b"\x12\x00\x02ab"
        b"\x26\x00\x01a\x00\x01b" + b"\x13\x00\x09"
    )
    body = b"\x00\x00" + bytes([len(properties)]) + properties
    assert login_answer(body, version5=True) == LoginAnswer(0, "", 1, 7, 1000, 9, retains=False)
    assert login_answer(b"\x00\x00\x00", version5=True) == LoginAnswer()
    assert login_answer(b"\x01\x00", version5=False) == LoginAnswer()


@pytest.mark.parametrize(
    ("body", "version5", "text"),
    [
        (b"\x00\x87\x00", True, "0x87, Not authorized"),
        (b"\x00\x8a\x0b\x1f\x00\x08go\x1b away", True, "0x8a, Banned: 'go\\x1b away'"),  # 3.2.2.3.9
        (b"\x00\x01", True, "0x84, Unsupported protocol version"),  # of a broker of version 3.1.1
        (b"\x00\x05", False, "0x87, Not authorized"),  # 3.1.1, table 3.1
        (b"\x00\x04", False, "0x86, Bad user name or password"),
        (b"\x00\x2a", False, "0x80, Unspecified error"),
    ],
)
def test_the_refusal_of_a_login_is_in_words(body: bytes, version5: bool, text: str) -> None:
    answer = login_answer(body, version5=version5)
    assert answer.code >= 0x80
    assert str(answer) == f"the broker answers {text}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00\x00\x05\x21\x00",  # properties cut off
        b"\x00\x00\x02\x21\x00",  # a property cut off
        b"\x00\x00\x01\x99",  # an unknown property
        b"\x00\x00\x80\x80\x80\x80\x00",  # a length of five bytes
        b"\x00\x00\x80",  # a length without an end
        b"\x00\x00\x00extra",
        b"\x00\x00\x03\x1f\xff\xff",  # a text longer than the packet
    ],
)
def test_a_connack_that_no_broker_sends_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="the broker sent"):
        login_answer(body, version5=True)


def test_a_length_has_at_most_four_bytes() -> None:
    # 1.5.5, table 1.1: 0xFF 0xFF 0xFF 0x7F is the largest.
    assert packet_size(b"\x30\x05", 0) == (2, 5)
    assert packet_size(b"..\x30\xff\xff\xff\x7f", 2) == (7, 268_435_455)
    for incomplete in (b"\x30", b"\x30\x80", b"\x30\x80\x80\x80"):
        assert packet_size(incomplete, 0) == (0, 0)
    for endless in (b"\x30\x80\x80\x80\x80", b"\x30" + b"\x80" * 50, b"\x30\xff\xff\xff\xff\x7f"):
        with pytest.raises(ValueError, match="more than 4 bytes"):
            packet_size(endless, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x05a",
        b"\x00\x01a",
        b"\x00\x01a\x00\x01\x80\x80\x80\x80\x01",
        b"\x00\x01a\x00\x01\x09x",
        b"\x00\x02\xff\xfe",
    ],
)
def test_a_message_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        received(0x32, body, version5=True)


def test_a_reason_string_behind_unknown_properties_is_left_out() -> None:
    assert acknowledgement(b"\x83\x06\x1f\x00\x03why").text == "'why'"
    assert acknowledgement(b"\x83\x06\x99\x00\x03why").text == ""
    assert acknowledgement(b"\x83\x06\x1f\xff\xffwhy").text == ""
