"""Connections of the page: shares of the addresses, and the delay after wrong tokens."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from wattgram.base.secret import SecretFile
from wattgram.config.http_table import SHORTEST_TOKEN, HttpConfig, weak_token
from wattgram.web import ClientLimits
from wattgram.web.client_slots import ClientSlots, network
from wattgram.web.token_attempts import (
    FIRST_DELAY,
    FORGIVEN_AFTER,
    LONGEST_DELAY,
    MOST_REMEMBERED,
    TokenAttempts,
)

from tests.support.page_view import FixedView, served

TOKEN = "0123456789abcdef"


def status(address: tuple[str, int], token: str = "") -> int:
    connection = HTTPConnection(*address, timeout=30)
    try:
        connection.request("GET", "/healthz", headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_silent_connections_of_one_address_leave_the_page_answering() -> None:
    with served(FixedView()) as address, ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(socket.create_connection(address, timeout=5))
        assert [status(address) for _ in range(3)] == [200] * 3


def test_an_address_gets_its_share_and_silent_connections_make_room() -> None:
    async def work() -> None:
        slots = ClientSlots(ClientLimits(connections=6, connections_per_address=4))

        def taken(peer: str, *, waiting: bool) -> bool:
            slot = slots.take(peer)
            if slot is None:
                return False
            slot.task = asyncio.create_task(asyncio.sleep(3600))
            slot.waiting = waiting
            return True

        busy = [taken("10.0.0.1", waiting=False) for _ in range(6)]
        assert busy == [True] * 4 + [False] * 2  # the share of one address
        assert [taken("10.0.0.2", waiting=True) for _ in range(5)] == [True] * 5
        assert len(slots.tasks) == 6
        assert taken("10.0.0.3", waiting=False)
        assert taken("10.0.0.4", waiting=False)
        assert not taken("10.0.0.5", waiting=False)  # six busy connections
        for task in slots.tasks:
            task.cancel()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:9:9:9:9", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one_address(peer: str, name: str) -> None:
    assert network(peer) == name


def test_the_delay_doubles_with_each_wrong_token_up_to_a_limit() -> None:
    attempts, now, delays = TokenAttempts(), 0.0, []
    for _ in range(8):
        attempts.failed("a", now)
        delays.append(attempts.delay("a", now))
        now += delays[-1]
        assert attempts.delay("a", now) == 0.0
    assert delays == [FIRST_DELAY, 0.5, 1.0, 2.0, 4.0, LONGEST_DELAY, LONGEST_DELAY, LONGEST_DELAY]
    assert attempts.delay("b", now) == 0.0
    attempts.failed("b", now + FORGIVEN_AFTER)
    attempts.failed("a", now + FORGIVEN_AFTER)
    assert attempts.delay("a", now + FORGIVEN_AFTER) == FIRST_DELAY
    attempts.succeeded("a")
    assert attempts.delay("a", now + FORGIVEN_AFTER) == 0.0


def test_the_number_of_remembered_addresses_is_bounded() -> None:
    attempts = TokenAttempts()
    for number in range(MOST_REMEMBERED + 10):
        attempts.failed(str(number), 0.0)
    assert sum(attempts.delay(str(number), 0.0) > 0.0 for number in range(MOST_REMEMBERED + 10)) == MOST_REMEMBERED


def test_a_token_is_judged_after_the_delay_of_the_wrong_ones_before() -> None:
    with served(FixedView(), TOKEN) as address:
        assert [status(address, token) for token in ("wrong", "wrong", TOKEN, "wrong", TOKEN)] == [
            401,
            401,
            200,
            401,
            200,
        ]


def test_more_wrong_tokens_than_can_be_judged_are_refused() -> None:
    with served(FixedView(), TOKEN, limits=ClientLimits(response=0.05)) as address:
        assert status(address, "wrong") == 401
        assert status(address, "wrong") == 429


def test_a_replaced_token_file_applies_to_the_next_request(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with served(FixedView(), SecretFile(tmp_path / "token")) as address:
        assert status(address, TOKEN) == 200
        (tmp_path / "token").write_text(TOKEN[::-1])
        assert (status(address, TOKEN), status(address, TOKEN[::-1])) == (401, 200)


@pytest.mark.parametrize(("token", "weak"), [(None, False), ("x" * (SHORTEST_TOKEN - 1), True), (TOKEN, False)])
def test_a_short_token_is_a_warning_without_the_token(token: str | None, weak: bool) -> None:
    warning = weak_token(HttpConfig(token=token))
    assert bool(warning) == weak
    assert "xxx" not in warning
