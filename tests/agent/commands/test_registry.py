"""The table of the commands: one line and one file make a command, and only the called command is imported."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
from wattgram.__main__ import main
from wattgram.commands.command_line import parse
from wattgram.commands.command_table import COMMANDS, CommandEntry

NEW = "greet"
SUMMARY = "greet a site by its name"


@pytest.fixture
def new_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a line for the command of the fixture file."""
    monkeypatch.setitem(COMMANDS, NEW, CommandEntry("tests.fixtures.registries.greet_command", SUMMARY))


@pytest.mark.usefixtures("new_command")
def test_a_line_of_the_table_is_a_command_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert [line.split(maxsplit=1) for line in out.splitlines() if line.startswith(f"    {NEW} ")] == [[NEW, SUMMARY]]


@pytest.mark.usefixtures("new_command")
def test_a_new_command_has_a_help_with_summary_options_and_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([NEW, "--help"])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert "Greet a site by its name." in out
    assert "--times" in out
    assert "--verbose" in out
    assert out.endswith("example: wattgram greet works --times 2\n")


@pytest.mark.usefixtures("new_command")
def test_a_new_command_runs_with_its_options_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([NEW, "works", "--times", "2"]) == 3
    assert capsys.readouterr() == ("hello works hello works \n", "")


@pytest.mark.usefixtures("new_command")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["works", "--tmes", "2"], "wattgram: unrecognized arguments: --tmes 2; see `wattgram --help`"),
        (
            ["works", "--times", "10"],
            "wattgram greet: argument --times: found '10'; allowed: a number from 1 to 9; see `wattgram greet --help`",
        ),
        ([], "wattgram greet: the following arguments are required: NAME; see `wattgram greet --help`"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_of_a_new_command_ends_with_2_and_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([NEW, *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"{message}\n")


@pytest.mark.usefixtures("new_command")
def test_a_usage_error_of_a_new_command_ends_with_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([NEW, "nobody"]) == 2
    assert capsys.readouterr() == ("", "wattgram greet: found NAME nobody; allowed: the name of a site\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_a_call_that_its_options_allow(name: str) -> None:
    program, *arguments = shlex.split(COMMANDS[name].load().EXAMPLE.partition(" > ")[0])
    assert program == "wattgram"
    _, options = parse(arguments)
    assert options.name == name


def test_only_the_called_command_is_imported() -> None:
    script = (
        "import json, sys; from wattgram.__main__ import main; main(['drivers', 'eastron_sdm630']);"
        "json.dump(sorted(sys.modules), sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    imported = set(json.loads(ended.stderr))
    assert {entry.module for entry in COMMANDS.values()} & imported == {"wattgram.commands.drivers"}
    # The look-up in the catalogue needs neither the configuration nor the daemon.
    assert {name for name in imported if name.startswith(("wattgram.config", "wattgram.daemon"))} == set()
