"""The register of identifiers: the pseudonyms of the device, deletable, for its owner alone."""

from pathlib import Path

import pytest
from agent.session_user import pseudonym as on_device
from meterseal.cli.main import main
from meterseal.errors import ConfigurationError
from meterseal.ocmf.people import People, pseudonym

KEY = "stations of the north"
NAMES = ("04A2B3C4", "+855|12345678", "អ្នកបើកបរ", "")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    return int(left.value.code or 0)


@pytest.mark.parametrize("key", [b"k", KEY.encode(), b"x" * 64, b"y" * 65])
def test_the_device_writes_the_same_pseudonym(key: bytes) -> None:
    for name in NAMES:
        assert pseudonym(key, name) == on_device(key, name).hex()


def test_added_shown_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, key = tmp_path / "people.json", tmp_path / "key"
    key.write_text(KEY + "\n", encoding="utf-8")
    assert run("people", "add", file, "--key-file", key, NAMES[0]) == 0
    found = capsys.readouterr().out.strip()
    assert found == pseudonym(KEY.encode(), NAMES[0])
    assert file.stat().st_mode & 0o077 == 0
    assert run("people", "show", file, found) == 0
    assert capsys.readouterr().out.strip() == NAMES[0]
    assert run("people", "delete", file, found.upper()) == 0
    assert NAMES[0] not in file.read_text(encoding="utf-8")
    capsys.readouterr()
    assert run("people", "show", file, found) == 1
    assert run("people", "delete", file, found) == 1
    assert capsys.readouterr().out == "nobody known\nnobody known\n"


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    file.write_text("[1", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        People(file)
    assert refused.value.code == "people-unreadable"
    assert file.read_text(encoding="utf-8") == "[1"


def test_a_missing_key_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("people", "add", tmp_path / "p.json", "--key-file", tmp_path / "none", "x") == 3
    assert "key-unreadable" in capsys.readouterr().err
    assert not (tmp_path / "p.json").exists()


def test_a_pseudonym_by_a_key_of_the_board(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, found = tmp_path / "people.json", "AB" * 16
    assert run("people", "add", file, "--pseudonym", found, NAMES[0]) == 0
    assert capsys.readouterr().out.strip() == found.lower()
    assert run("people", "show", file, found) == 0
    assert run("people", "add", file, "--pseudonym", "xy", NAMES[0]) == 1
    assert "people-pseudonym" in capsys.readouterr().err
    assert run("people", "add", file, NAMES[0]) == 2
