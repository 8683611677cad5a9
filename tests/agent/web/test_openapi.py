"""The API's description: valid, complete, and consistent with the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate
from wattgram.web.routes import Routes

from tests.agent.web.test_server import ask
from tests.agent.web.test_stream import listening
from tests.support.browser import CARDS
from tests.support.command_runs import started
from tests.support.page_view import FixedView, served
from tests.support.servers import request, wait_for

JSON = "application/json"


def description(address: tuple[str, int]) -> dict[str, Any]:
    answer, body = ask(address, "/api/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    document: dict[str, Any] = json.loads(body)
    return document


def mistakes(document: dict[str, Any], schema: dict[str, Any], value: object) -> list[str]:
    """Return the parts of a value that do not match a schema of the document."""
    validator = Draft202012Validator({**schema, "components": document["components"]}, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def schema_of(document: dict[str, Any], path: str, status: int = 200) -> dict[str, Any]:
    schema: dict[str, Any] = document["paths"][path]["get"]["responses"][str(status)]["content"][JSON]["schema"]
    return schema


def test_the_description_is_openapi_3_1_and_has_every_route() -> None:
    with served(FixedView()) as address:
        document = description(address)
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert sorted(document["paths"]) == sorted(Routes(FixedView()).paths)


@pytest.mark.parametrize(
    "path", ["/api/now", "/api/history", "/api/history?minutes=43200", "/api/results", "/api/goals", "/healthz"]
)
def test_answers_match_the_description(path: str) -> None:
    view = FixedView()
    view.cards = CARDS
    with served(view) as address:
        document = description(address)
        value = json.loads(ask(address, path)[1])
    assert mistakes(document, schema_of(document, path.partition("?")[0]), value) == []


def test_a_schema_rejects_other_content() -> None:
    view = FixedView()
    view.state["devices"][0]["age"] = "old"
    del view.state["spool"]["lost"]
    with served(view) as address:
        document = description(address)
        errors = mistakes(document, schema_of(document, "/api/now"), json.loads(ask(address, "/api/now")[1]))
    assert errors == ["$.devices[0].age: 'old' is not of type 'number'", "$.spool: 'lost' is a required property"]


def test_an_event_is_a_state() -> None:
    with served(FixedView()) as address, listening(address) as client:
        document = description(address)
        assert mistakes(document, {"$ref": "#/components/schemas/State"}, client.next().state) == []


def test_refusals_are_among_the_answers() -> None:
    with served(FixedView(), "secret") as address:
        paths = Routes(FixedView()).paths
        statuses = {path: ask(address, path)[0].status for path in paths}
        _, body = ask(address, "/api/openapi.json", headers={"Authorization": "Bearer secret"})
    document = json.loads(body)
    assert all(str(statuses[path]) in document["paths"][path]["get"]["responses"] for path in paths)


@pytest.mark.slow(4)
def test_a_real_daemon_matches_the_description(tmp_path: Any) -> None:
    with started(tmp_path / "demo", "demo", "--plant", "hybrid", "--http", "127.0.0.1:0", "--speed", "60") as demo:
        port = int(demo.says(r"live page: http://127\.0\.0\.1:(\d+)/").group(1))
        address = ("127.0.0.1", port)
        document = description(address)
        base = f"http://127.0.0.1:{port}"

        def balanced() -> bool:
            emission = json.loads(request(f"{base}/api/now")[1])["emission"]
            history = json.loads(request(f"{base}/api/history")[1])
            return "emission_intensity" in emission and len(history["time"]) > 2

        wait_for(balanced, 60, "a balance on disk")
        for path in ("/api/now", "/api/history", "/api/results", "/api/goals", "/healthz"):
            value = json.loads(request(f"{base}{path}")[1])
            assert mistakes(document, schema_of(document, path), value) == [], path
            if path == "/api/now":
                assert {node["role"] for node in value["wiring"]} == {"grid", "hybrid", "pv", "battery", "load", "ev"}
