"""The example of docs/report.md is a right activity file; its tables have the right columns."""

import re
from pathlib import Path

from meterseal.mrv.activity import parse_activity
from meterseal.mrv.inputs import INVOICE_COLUMNS, SAMPLE_COLUMNS, VEHICLE_COLUMNS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "report.md"


def test_the_example_is_read() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    activity = parse_activity(example.encode(), lambda name: name.encode())
    assert activity.inputs.files["vehicles"] == b"vehicles.csv"
    assert [one.name for one in activity.holders] == ["Korea", "Operator"]
    assert activity.accepted[0].reason.startswith("stolen board")


def test_the_columns_are_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for columns in (VEHICLE_COLUMNS, SAMPLE_COLUMNS, INVOICE_COLUMNS):
        assert f"`{','.join(columns)}`" in text
