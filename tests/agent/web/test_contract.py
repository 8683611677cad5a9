"""schemathesis sends allowed and forbidden requests of openapi.json; each response matches the description.

The examples are bounded and the same in every run; all requests go to a server on loopback.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from wattgram.web import ClientLimits

from tests.support.browser import CARDS
from tests.support.page_view import FixedView, served

DOCUMENT = json.loads(files("wattgram.web").joinpath("openapi.json").read_text(encoding="utf-8"))
SEED = 7
schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=SEED))


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """Serve without places for streams, because a stream has no end that a request could wait for."""
    view = FixedView()
    view.cards = CARDS
    with served(view, limits=ClientLimits(streams=0)) as (host, port):
        yield f"http://{host}:{port}"


@schema.parametrize()
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_response_matches_the_description(case: schemathesis.Case[Any], base: str) -> None:
    response = case.call(base_url=base, timeout=5)
    excluded: list[Any] = []  # schemathesis does not export the type
    if case.path == "/api/stream" and response.status_code == 503:
        excluded.append(not_a_server_error)  # no place is free, as the description states
    sent = parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True)
    names = [name for name, _ in sent]
    if {"from", "to"} & set(names):
        excluded.append(positive_data_acceptance)  # OpenAPI cannot state which of these are allowed together
    if len(names) > 8 or len(set(names)) < len(names):
        excluded.append(negative_data_rejection)  # ignored, as the description states in words
    case.validate_response(response, excluded_checks=excluded)


def test_every_operation_is_checked() -> None:
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    checked = {operation.path for operation in operations}
    assert checked == set(DOCUMENT["paths"])
