"""`meterseal profiles` and `meterseal profiles identify` as a person or a program calls them."""

import json
from pathlib import Path

import pytest
import typer
from fakes.meters import PROFILES, HandClock, meter
from meterseal.cli import meter as meter_verb
from meterseal.cli import profiles as profiles_verb
from meterseal.errors import ConfigurationError, EnvironmentProblem, Error
from meterseal.profiles.table import BEGIN, END
from meterseal.sim.server import MeterServer
from typer.testing import CliRunner, Result

APP = typer.Typer()
profiles_verb.register(APP)
meter_verb.register(APP)


def run(*words: str) -> Result:
    return CliRunner().invoke(APP, list(words))


def error_of(*words: str) -> Error:
    """The error that the command line shows to a person."""
    problem = run(*words).exception
    assert isinstance(problem, Error)
    return problem


@pytest.mark.parametrize("verb", ["list", "show", "lint", "table", "identify"])
def test_each_verb_has_help_with_an_example(verb: str) -> None:
    shown = run("profiles", verb, "--help")
    assert shown.exit_code == 0 and "Usage" in shown.output
    if verb != "list":
        assert f"meterseal profiles {verb}" in shown.output


def test_list() -> None:
    assert len(run("profiles", "list").stdout.splitlines()) == len(PROFILES)
    rows = json.loads(run("profiles", "list", "--json").stdout)
    assert [row["id"] for row in rows] == list(PROFILES)
    assert all(len(row["sha256"]) == 64 and row["bench"] == "nobody yet" for row in rows)


@pytest.mark.parametrize("name", PROFILES)
def test_show(name: str) -> None:
    shown = run("profiles", "show", name)
    assert shown.exit_code == 0 and shown.stdout.count("TOTAL") == 1
    tree = json.loads(run("profiles", "show", name, "--json").stdout)
    assert [row["name"] for row in tree["registers"] if row["total"]] == [
        PROFILES[name].total.name
    ]


def test_show_warns_of_a_coarse_counter() -> None:
    assert "only 15 steps" in run("profiles", "show", "carlo-gavazzi-em340").stdout


def test_show_unknown() -> None:
    assert error_of("profiles", "show", "sdm630").code == "profile-unknown"


def test_lint_of_all_that_is_shipped() -> None:
    done = run("profiles", "lint")
    assert done.exit_code == 0 and f"{len(PROFILES)} profiles, 0 defects" in done.output


def test_lint_of_a_bad_file(tmp_path: Path) -> None:
    bad = tmp_path / "maker-model.json"
    bad.write_text('{"id": "maker-model", "factor": 10}', "utf-8")
    done = run("profiles", "lint", str(bad))
    assert done.exit_code == 1 and "profile-" in done.stdout
    tree = json.loads(run("profiles", "lint", "--json", str(bad)).stdout)
    assert tree["files"] == 1 and {"file", "code", "where", "text"} == set(tree["findings"][0])


def test_lint_of_a_file_that_is_not_there() -> None:
    assert error_of("profiles", "lint", "nowhere.json").code == "file-missing"


def test_table_into_a_file(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\n{END}\nafter\n", "utf-8")
    assert run("profiles", "table", "--write", str(readme)).exit_code == 0
    written = readme.read_text("utf-8")
    assert written.startswith("before\n") and written.endswith("after\n")
    assert run("profiles", "table").stdout.strip() in written


def test_table_into_a_file_without_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing\n", "utf-8")
    problem = error_of("profiles", "table", "--write", str(readme))
    assert problem.code == "markers-missing" and readme.read_text("utf-8") == "nothing\n"


@pytest.mark.parametrize("words", [[], ["--unit-id", "1", "--verbose"]])
def test_identify_over_tcp(words: list[str]) -> None:
    simulated = meter("schneider-iem3155", HandClock(), start_energy_wh=5000)
    with MeterServer([simulated]).start_tcp() as server:
        target = f"127.0.0.1:{server.port}"
        plain = run("profiles", "identify", target, "--watch-s", "0", "--timeout-s", "0.3", *words)
    assert plain.exit_code == 1, "a meter at rest confirms nothing"
    assert "Best: schneider-iem3155" in plain.stdout and "watch longer" in plain.stdout
    assert "no        abb-b23" in plain.stdout and "register-refused" in plain.stdout


def test_identify_over_a_serial_port_as_json() -> None:
    with MeterServer([meter("eastron-sdm630", unit_id=1)]).start_rtu() as server:
        words = ("--baud", "9600", "--parity", "N", "--watch-s", "0", "--timeout-s", "0.3")
        done = run("profiles", "identify", str(server.path), "--json", *words)
    tree = json.loads(done.stdout)
    assert tree["best"] == "eastron-sdm630" and tree["unit_id"] == 1
    assert tree["profiles"][0]["identity"]["serial"] == "20150427"
    assert len(tree["profiles"]) == sum("rtu" in p.bus.kinds for p in PROFILES.values())


def test_identify_scans_all_unit_ids() -> None:
    with MeterServer([meter("eastron-sdm630", unit_id=7)]).start_rtu() as server:
        words = ("--baud", "9600", "--parity", "N", "--watch-s", "0", "--scan")
        done = run("profiles", "identify", str(server.path), "--json", *words)
    tree = json.loads(done.stdout)
    assert (tree["best"], tree["unit_id"]) == ("eastron-sdm630", 7)


def test_identify_where_nothing_answers() -> None:
    with MeterServer([meter("eastron-sdm120", unit_id=99)]).start_rtu() as server:
        words = ("--baud", "9600", "--parity", "N", "--unit-id", "3", "--timeout-s", "0.05")
        done = run("profiles", "identify", str(server.path), "--json", *words)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["best"] is None
    assert "A and B swapped" in done.stderr and "9600 8N1: no answer" in done.stderr


@pytest.mark.parametrize(
    ("target", "kind", "code"),
    [
        ("127.0.0.1:x", ConfigurationError, "target-form"),
        ("/dev/does-not-exist", EnvironmentProblem, "link-open"),
        ("127.0.0.1:9", EnvironmentProblem, "link-open"),
    ],
)
def test_identify_of_a_target_that_is_none(target: str, kind: type[Error], code: str) -> None:
    problem = error_of("profiles", "identify", target)
    assert isinstance(problem, kind) and problem.code == code


def test_two_simulated_meters_need_two_unit_ids() -> None:
    words = ("--profile", "abb-b23@1", "--profile", "abb-ev3@1")
    assert error_of("meter", *words).code == "unit-id-shared"
