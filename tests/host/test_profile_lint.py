"""The linter refuses every kind of bad profile with its own code; cases are named by defect."""

import copy
import json
from pathlib import Path

import pytest
from host.profile_defects import DEFECTS, Tree, drop, good
from meterseal.errors import ProfileError
from meterseal.profiles import lint_bytes, lint_file, load
from meterseal.profiles.schema import (
    CONFIDENCES,
    ORDERS,
    TYPE_REGISTERS,
    UNITS,
    dimension_of_quantity,
)

PROFILES = Path(__file__).resolve().parent.parent.parent / "firmware" / "profiles"


def codes(tree: Tree) -> list[str]:
    """Codes that the linter finds."""
    return [finding.code for finding in lint_bytes(json.dumps(tree).encode(), "maker-model")]


def test_the_good_profile_has_no_defect() -> None:
    assert codes(good()) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_defect(name: str) -> None:
    code, change = DEFECTS[name]
    tree = copy.deepcopy(good())
    change(tree)
    assert code in codes(tree)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("not JSON", b"{"),
        ("not UTF-8", b'{"profile": "\xff"}'),
        ("a float", b'{"profile": 1.0}'),
        ("a constant", b'{"profile": NaN}'),
        ("a key twice", b'{"profile": 1, "profile": 1}'),
        ("nested too deep", b"[" * 100_000),
    ],
)
def test_bad_json(name: str, data: bytes) -> None:
    assert [finding.code for finding in lint_bytes(data)] == ["profile-json"]


@pytest.mark.parametrize("data", [b"[]", b"5", b"null", b'"text"'])
def test_not_an_object(data: bytes) -> None:
    assert [finding.code for finding in lint_bytes(data)] == ["profile-type"]


def test_id_must_be_the_file_name() -> None:
    found = lint_bytes(json.dumps(good()).encode(), "other-name")
    assert [finding.code for finding in found] == ["profile-id"]


def test_load_refuses_with_the_code_of_the_first_defect(tmp_path: Path) -> None:
    tree = good()
    drop("registers.energy_import_wh.total")(tree)
    path = tmp_path / "maker-model.json"
    path.write_text(json.dumps(tree), "utf-8")
    with pytest.raises(ProfileError) as refused:
        load(path)
    assert refused.value.code == "profile-total-missing"


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.json")), ids=lambda path: path.stem)
def test_every_shipped_profile_is_clean(path: Path) -> None:
    assert lint_file(path) == []


def test_every_code_of_the_linter_has_a_case() -> None:
    package = PROFILES.parent.parent / "host_tools" / "meterseal" / "profiles"
    text = "".join(path.read_text("utf-8") for path in package.glob("lint*.py"))
    raised = {
        word.strip('",') for word in text.replace("(", " ").split() if word[:9] == '"profile-'
    }
    covered = {code for code, _ in DEFECTS.values()} | {
        "profile-json",
        "profile-type",
        "profile-id",
    }
    assert raised == covered


def test_the_text_names_everything_that_the_schema_has() -> None:
    text = (PROFILES / "README.md").read_text("utf-8")
    for word in [*TYPE_REGISTERS, *ORDERS, *UNITS, *CONFIDENCES]:
        assert word in text


def test_quantities() -> None:
    assert dimension_of_quantity("energy_import_t4_wh") == "energy"
    assert dimension_of_quantity("power_factor_l2") == "ratio"
    assert dimension_of_quantity("voltage_l31_v") == "voltage"
    for wrong in ("energy_wh", "power_kw", "voltage_l4_v", "energy_import_wh ", "current_a_l1"):
        assert dimension_of_quantity(wrong) is None
