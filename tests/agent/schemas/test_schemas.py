"""The schemas are those of the program, and the messages and answers of a running daemon match them."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from wattgram.accounts.books import EXTRA_FIELDS
from wattgram.accounts.estimated_energy import WINDOW_FIELDS
from wattgram.accounts.stated_terms import EMISSION_TEXTS
from wattgram.accounts.uncertainty import UNCERTAINTY_FIELDS, UNCERTAINTY_TEXT
from wattgram.commands import demonstration
from wattgram.config.load import Config
from wattgram.formats.export_columns import unit
from wattgram.goals import round as goals_round
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.schemas.field_texts import EVENTS
from wattgram.schemas.schema_files import schema_files
from wattgram.simulation.plants import plant
from wattgram_drivers.endpoint import parse
from wattgram_drivers.quantity import QUANTITIES
from wattgram_ext.intensity import DETAILS, OUTPUTS

from tests.support.brokers import mosquitto, subscriber
from tests.support.servers import ROOT, free_port, request, wait_for

FOLDER = ROOT / "docs/schemas"
SCHEMAS: dict[str, dict[str, Any]] = {path: json.loads(text) for path, text in schema_files().items()}
OPENAPI = json.loads((ROOT / "agent/wattgram/web/openapi.json").read_text())

SPEED = 300.0  # an hour in 12 s
MONTH_ENDS = 1_793_462_400  # 2026-11-01T00:00:00+08:00: windows of all four lengths end


def mistakes(path: str, value: object) -> list[str]:
    """Return the parts of a value that do not match a schema. A field that the schema does not list is a mistake."""
    validator = Draft202012Validator(closed(SCHEMAS[path]), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def closed(schema: Any) -> Any:
    """Return a schema that allows only the fields that it lists."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(part) for name, part in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        result.setdefault("additionalProperties", False)
    return result


def schema_of(topic: str) -> str:
    """Return the schema of a topic by the table of the page."""
    rows = (
        (r"wattgram/[^/]+/(device)/[^/]+", "device"),
        (r"wattgram/[^/]+/emission", "emission"),
        (r"wattgram/[^/]+/emission/[^/]+", "emission-window"),
        (r"wattgram/[^/]+/event", "event"),
        (r"wattgram/[^/]+/goal/[^/]+", "goal"),
        (r"wattgram/[^/]+/gateway", "gateway"),
        (r"wattgram/[^/]+/seal", "seal"),
        (r"wattgram/[^/]+/status", "status"),
        (r"homeassistant/device/[^/]+/[^/]+/config", "homeassistant"),
    )
    return next(f"mqtt/{name}.json" for pattern, name in rows if re.fullmatch(pattern, topic))


def described(schema: Any, path: str = "$") -> Iterator[tuple[str, str]]:
    """Yield each field of a schema, at any depth, with its description."""
    if isinstance(schema, list):
        for part in schema:
            yield from described(part, path)
    elif isinstance(schema, dict):
        for name, part in schema.get("properties", {}).items():
            target = part if "$ref" not in part else {"description": "of its own", **part}
            yield f"{path}.{name}", target.get("description", "")
        for name, part in schema.items():
            yield from described(part, f"{path}.{name}")


def test_the_committed_schemas_are_those_of_the_program() -> None:
    committed = {f"{path.relative_to(FOLDER)}": path.read_text() for path in FOLDER.rglob("*.json")}
    assert committed == schema_files(), "run: .venv/bin/python -m wattgram.schemas docs/schemas"


def test_the_command_writes_the_schemas(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wattgram.schemas"]
    ended = subprocess.run([*command, tmp_path / "new"], capture_output=True, text=True, check=True)
    assert len(ended.stdout.splitlines()) == len(SCHEMAS)
    assert {f"{path.relative_to(tmp_path / 'new')}" for path in (tmp_path / "new").rglob("*.json")} == set(SCHEMAS)
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "example: python -m wattgram.schemas docs/schemas" in refused.stderr


@pytest.mark.parametrize("path", SCHEMAS)
def test_a_schema_is_valid_and_has_title_and_descriptions(path: str) -> None:
    schema = SCHEMAS[path]
    Draft202012Validator.check_schema(schema)
    kind, name = path.removesuffix(".json").split("/")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:wattgram:{kind}:{name}:1"
    assert schema["title"]
    assert schema["description"]
    assert [field for field, words in described(schema) if not words] == []


def test_each_quantity_has_its_unit() -> None:
    properties = SCHEMAS["mqtt/device.json"]["properties"]
    assert properties.keys() == {"time", "quality", "replayed", *QUANTITIES}
    lacking = [
        name
        for name, quantity in QUANTITIES.items()
        if quantity.unit != "1" and f", {quantity.unit}" not in properties[name]["description"]
    ]
    assert lacking == []


def test_a_balance_has_every_number_with_its_unit() -> None:
    common = {"time", "window", *EMISSION_TEXTS, "replayed", *OUTPUTS, *EXTRA_FIELDS}
    tick, window = (SCHEMAS[f"mqtt/{name}.json"]["properties"] for name in ("emission", "emission-window"))
    assert tick.keys() == common
    assert window.keys() == common | set(DETAILS) | set(WINDOW_FIELDS) | {
        *UNCERTAINTY_FIELDS,
        UNCERTAINTY_TEXT,
        "correction",
    }
    units = {
        name: unit("emission", name)
        for name in (*OUTPUTS, *DETAILS, *WINDOW_FIELDS, *UNCERTAINTY_FIELDS, *EXTRA_FIELDS)
    }
    assert [name for name in units if not window[name]["description"].endswith(units[name])] == []
    assert [name for name, text in units.items() if not text and name not in ("grid_tier", "revision")] == [
        *("clean_share", "self_consumption", "self_sufficiency", "coverage", "carbon_free_share", "grid_clean_share")
    ]


def test_the_page_describes_a_balance_and_an_event_with_the_same_words() -> None:
    tick = SCHEMAS["mqtt/emission.json"]["properties"]
    without = {name: schema for name, schema in tick.items() if name not in ("time", "window", "replayed")}
    assert OPENAPI["components"]["schemas"]["Emission"]["properties"] == without
    assert OPENAPI["components"]["schemas"]["Event"]["properties"]["event"]["enum"] == list(EVENTS)


def test_the_events_are_those_of_the_page() -> None:
    text = (ROOT / "docs/trouble.md").read_text()
    tables = re.findall(r"^\| event \|.*\n\|[- |]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    named = [name for table in tables for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)]
    assert sorted(named) == sorted(EVENTS)


@dataclass(frozen=True)
class Site:
    """The messages of a running daemon, as topic and payload, and the answers of its page, by path."""

    messages: list[tuple[str, str]]
    answers: dict[str, object]


class Demonstration(Thread):
    """The demonstration in a thread with its own loop; `page` has the address of the page."""

    def __init__(self) -> None:
        super().__init__(name="demonstration")
        self.page: Queue[str] = Queue()
        self._stop_it: Callable[[], object] = lambda: None

    def run(self) -> None:
        asyncio.run(self._run())

    def stop(self) -> None:
        self._stop_it()
        self.join(30)

    async def _run(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop_it = lambda: loop.call_soon_threadsafe(stop.set)
        page = loop.create_future()
        page.add_done_callback(lambda done: self.page.put(done.result()))
        start = (MONTH_ENDS - 1200) * 10**9
        await demonstration.demonstrate(
            stop, plant("standard"), start=start, speed=SPEED, seconds=None, http="127.0.0.1:0", page_at=page
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the demonstration over the end of a month, with a broker and the topics of Home Assistant."""
    folder = tmp_path_factory.mktemp("schemas")
    with pytest.MonkeyPatch.context() as patch, mosquitto(folder) as broker, subscriber(broker, "#") as subscription:
        configured = demonstration.configured

        def with_broker(*arguments: Any, **options: Any) -> Config:
            mqtt = MqttConfig("127.0.0.1", urlsplit(broker.url).port or 0, homeassistant="homeassistant")
            site_config = configured(*arguments, **options)
            roof = next(device for device in site_config.devices if device.name == "roof-east")
            absent = replace(roof, name="absent", endpoint=parse(f"tcp://127.0.0.1:{free_port()}"))
            return replace(
                site_config, mqtt=mqtt, devices=(*site_config.devices, absent)
            )  # a device that does not respond causes an event

        patch.setattr(demonstration, "configured", with_broker)
        patch.setattr(goals_round, "FIRST_ROUND_AFTER", 1.0)  # else the test waits for half a minute
        running = Demonstration()
        running.start()
        try:
            base = running.page.get(timeout=30).rstrip("/")
            wanted = {
                *("device/incomer", "emission", "emission/15m", "emission/1h", "emission/1d", "emission/1mo"),
                *("event", "gateway", "goal/A12", "seal", "status"),
            }

            def published() -> bool:
                topics = {topic.removeprefix("wattgram/demo-factory/") for topic, _ in subscription.messages()}
                return wanted <= topics

            wait_for(published, 90, "messages of every kind")
            answers = {
                path: json.loads(request(f"{base}{path}")[1])
                for path in ("/api/now", "/api/history", "/api/results", "/api/goals", "/healthz")
            }
        finally:
            running.stop()
        wait_for(lambda: "offline" in {payload for _, payload in subscription.messages()}, 10, "the end")
        yield Site(subscription.messages(), answers)


@pytest.mark.server
def test_every_message_of_a_running_daemon_matches_its_schema(site: Site) -> None:
    wrong_topics: dict[str, list[str]] = {}
    for topic, payload in site.messages:
        path = schema_of(topic)
        value = payload if path == "mqtt/status.json" else json.loads(payload)
        if wrong := mistakes(path, value):
            wrong_topics.setdefault(topic, wrong)
    assert wrong_topics == {}
    assert {schema_of(topic) for topic, _ in site.messages} == {path for path in SCHEMAS if path.startswith("mqtt/")}


@pytest.mark.server
def test_every_answer_of_a_running_page_matches_its_schema(site: Site) -> None:
    assert {path: mistakes(f"http/{path.rpartition('/')[2]}.json", value) for path, value in site.answers.items()} == {
        path: [] for path in site.answers
    }
    assert len(site.answers) == sum(path.startswith("http/") for path in SCHEMAS)


def payload_of(site: Site, name: str) -> Any:
    """Return the last message of a schema."""
    text = [payload for topic, payload in site.messages if schema_of(topic) == f"mqtt/{name}.json"][-1]
    return text if name == "status" else json.loads(text)


@pytest.mark.server
@pytest.mark.parametrize(
    ("name", "change", "mistake"),
    [
        ("device", {"active_power_total": "12 kW"}, "$.active_power_total: '12 kW' is not of type 'number'"),
        ("device", {"quality": "fine"}, "$.quality: 'fine' is not one of"),
        ("device", {"active_power": 1.0}, "$: Additional properties are not allowed ('active_power' was unexpected)"),
        ("emission", {"time": "2026-11-01 06:00"}, "$.time: '2026-11-01 06:00' is not a 'date-time'"),
        ("emission", {"window": "15m"}, "$.window: 'tick' was expected"),
        ("emission", {"grid_tier": 1.5}, "$.grid_tier: 1.5 is not of type 'integer'"),
        ("emission-window", {"coverage": None}, "$.coverage: None is not of type 'number'"),
        ("event", {"event": "device gone"}, "$.event: 'device gone' is not one of"),
        ("goal", {"goal": "C01"}, "$.goal: 'C01' does not match"),
        ("gateway", {"uptime": True}, "$.uptime: True is not of type 'number'"),
        (
            "homeassistant",
            {"components": {"x": {"platform": "switch"}}},
            "$.components.x.platform: 'sensor' was expected",
        ),
    ],
)
def test_a_wrong_message_fails(site: Site, name: str, change: dict[str, object], mistake: str) -> None:
    messages = mistakes(f"mqtt/{name}.json", payload_of(site, name) | change)
    assert any(message.startswith(mistake) for message in messages), messages


@pytest.mark.server
@pytest.mark.parametrize("name", ["device", "emission", "emission-window", "event", "goal", "gateway", "homeassistant"])
def test_a_message_without_a_required_field_fails(site: Site, name: str) -> None:
    message, required = payload_of(site, name), SCHEMAS[f"mqtt/{name}.json"]["required"]
    for field in required:
        without = {key: value for key, value in message.items() if key != field}
        assert mistakes(f"mqtt/{name}.json", without) == [f"$: '{field}' is a required property"]


def test_an_unknown_status_fails() -> None:
    assert mistakes("mqtt/status.json", "away") == ["$: 'away' is not one of ['online', 'offline']"]


def test_the_example_prints_the_output_that_the_page_shows() -> None:
    text = (FOLDER / "README.md").read_text()
    code, output = re.findall(r"^```(?:python)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[:2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == output


def test_the_page_names_every_schema() -> None:
    linked = re.findall(r"\]\(((?:mqtt|http)/[^)]+)\)", (FOLDER / "README.md").read_text())
    assert sorted(linked) == sorted(SCHEMAS)
