"""The files of a report in one directory: JSON first, everything else rendered from it."""

from pathlib import Path
from typing import Any, Final

from meterseal.errors import EnvironmentProblem
from meterseal.mrv.exact import pretty
from meterseal.report.html import render_html
from meterseal.report.pdf import render_pdf
from meterseal.report.sheet import render_sheet
from meterseal.report.tables import render_tables

FORMATS: Final = ("csv", "html", "pdf", "xlsx")


def write_report(out: Path, document: dict[str, Any], formats: tuple[str, ...]) -> list[Path]:
    """Write report.json and the other formats; paths of what was written.

    Raises EnvironmentProblem `report-unwritable`.
    """
    files: dict[str, bytes] = {"report.json": pretty(document)}
    if "csv" in formats:
        files |= {name: text.encode() for name, text in render_tables(document).items()}
    if "html" in formats:
        files["report.html"] = render_html(document).encode()
    if "pdf" in formats:
        files["report.pdf"] = render_pdf(document)
    if "xlsx" in formats:
        files["report.xlsx"] = render_sheet(document)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (out / name).write_bytes(data)
    except OSError as problem:
        raise EnvironmentProblem(
            "report-unwritable", f"expected a directory to write to: {problem}", "Correct --out."
        ) from problem
    return [out / name for name in files]
