"""The report as a spreadsheet with live formulas, from monthly kWh to tonnes.

Inputs stand in cells of their own; everything else is a formula that a verifier can follow and
change. Spreadsheets calculate in double precision: they agree with the exact report to far below
a kilogram, and whole tonnes are compared with the report's on the first sheet.
"""

import io
from datetime import UTC, datetime
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

_BOLD: Final = Font(bold=True)
_INPUT: Final = PatternFill("solid", fgColor="FFF2CC")
_HEAD: Final = PatternFill("solid", fgColor="E7EDF2")
_STAMP: Final = PatternFill("solid", fgColor="FDF1DE")


def render_sheet(document: dict[str, Any]) -> bytes:
    """XLSX of a report document."""
    book = Workbook()
    summary = book.active
    assert isinstance(summary, Worksheet)  # a new workbook has one
    summary.title = "Summary"
    energy = _energy(book, document)
    factors = _factors(book, document)
    result = _vintages(book, document, energy, factors)
    _allocation(book, document, result)
    _plain(book, "Findings", document["findings"])
    _plain(book, "Parameters", document["parameters"])
    _summary(summary, document, result)
    for sheet in book.worksheets:
        if sheet.oddHeader is not None:
            sheet.oddHeader.center.text = " ".join(document["report"]["stamps"])
    stamp = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    book.properties.created = book.properties.modified = stamp
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def _head(sheet: Worksheet, row: int, names: list[str]) -> None:
    for column, name in enumerate(names, 1):
        cell = sheet.cell(row, column, name)
        cell.font, cell.fill = _BOLD, _HEAD
        sheet.column_dimensions[get_column_letter(column)].width = max(14, len(name) + 2)


def _text(value: Any) -> Any:
    """Text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" and value else value


def _energy(book: Workbook, document: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    """Monthly kWh: one row for each month, side and class or source; sum formulas by vintage.

    Returns the ranges to sum: (vintage, side, name) -> formula.
    """
    sheet = book.create_sheet("Monthly kWh")
    _head(sheet, 1, ["month", "vintage", "side", "of", "kWh"])
    sums: dict[tuple[str, str, str], float] = {}
    for station in document["stations"]:
        for month, sides in station["months"].items():
            for side in ("baseline", "project"):
                for name, text in sides[side].items():
                    key = month, side, name
                    sums[key] = sums.get(key, 0.0) + float(text)
    for row, (key, value) in enumerate(sorted(sums.items()), 2):
        month, side, name = key
        for column, item in enumerate((month, int(month[:4]), side, name, value), 1):
            sheet.cell(row, column, item)
        sheet.cell(row, 5).fill = _INPUT
        sheet.cell(row, 5).number_format = "#,##0.000000"
    last = max(2, len(sums) + 1)
    return {
        (month[:4], side, name): (
            f"SUMIFS('Monthly kWh'!$E$2:$E${last},'Monthly kWh'!$B$2:$B${last},{month[:4]},"
            f"'Monthly kWh'!$C$2:$C${last},\"{side}\",'Monthly kWh'!$D$2:$D${last},\"{name}\")"
        )
        for month, side, name in sums
    }


def _factors(book: Workbook, document: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    """t/kWh by vintage, as formulas of the methodology; (vintage, side, name) -> cell."""
    sheet = book.create_sheet("Factors")
    _head(sheet, 1, ["vintage", "side", "of", "t/kWh", "years", "specific consumption"])
    found, row = {}, 2
    for vintage in document["vintages"]:
        year, cells = str(vintage["vintage"]), _parameter_cells(document, vintage)
        for side in ("baseline", "project"):
            for one in vintage[side]:
                name = one["vehicle_class" if side == "baseline" else "source"]
                for column, item in enumerate((vintage["vintage"], side, name), 1):
                    sheet.cell(row, column, item)
                sheet.cell(row, 5, vintage["improvement_years"]).fill = _INPUT
                if side == "baseline":
                    sheet.cell(row, 6, float(one["specific_consumption"])).fill = _INPUT
                sheet.cell(row, 4, f"={_formula(document, cells, side, name, row)}")
                found[year, side, name] = f"Factors!$D${row}"
                row += 1
    return found


def _parameter_cells(
    document: dict[str, Any], vintage: dict[str, Any]
) -> dict[tuple[str, str], str]:
    """(parameter, subject) -> cell, on the sheet Parameters, of the value valid in a vintage."""
    names = list(document["parameters"][0])
    column = get_column_letter(names.index("value") + 1)
    return {
        (one["name"], one["subject"]): f"Parameters!${column}${row}"
        for row, one in enumerate(document["parameters"], 2)
        if one["valid_from"] <= vintage["first_day"] and vintage["last_day"] <= one["valid_to"]
    }


def _formula(
    document: dict[str, Any], cells: dict[tuple[str, str], str], side: str, name: str, row: int
) -> str:
    """The methodology's factor in t/kWh, with the cells of its parameters."""
    methodology = document["methodology"]
    if side == "project":
        factor = f"{cells['electricity_emission_factor', name]}/1000"
        mode = methodology["options"]["tdl_mode"]
        if name != "grid" or mode == "none":
            return factor
        loss = cells["transmission_loss", ""]
        return f"{factor}*(1+{loss})" if mode == "one_plus" else f"{factor}/(1-{loss})"
    improvement = f"{cells['improvement_rate', '']}^E{row}"
    if methodology["calculator"] == "ams-iii-c":
        fuel = f"{cells['fuel_consumption', name]}*{cells['net_calorific_value', '']}"
        return f"{fuel}*{cells['fuel_emission_factor', '']}/1000*{improvement}/F{row}/1000000"
    mileage = cells["comparable_mileage", name]
    return f"{cells['fuel_emission_factor', '']}*100*{improvement}/(F{row}*{mileage})"


def _vintages(
    book: Workbook,
    document: dict[str, Any],
    energy: dict[tuple[str, str, str], str],
    factors: dict[tuple[str, str, str], str],
) -> list[int]:
    """BE, PE, LE, ER and whole tonnes by vintage; the rows."""
    sheet = book.create_sheet("Tonnes")
    names = ["vintage", "BE t", "PE t", "LE t", "ER t", "before t (exact)", "cumulative t"]
    _head(sheet, 1, [*names, "issued before t", "whole t now", "report: whole t"])
    leakage = float(document["methodology"]["options"]["leakage_fraction_decimal"])
    rows = []
    for row, vintage in enumerate(document["vintages"], 2):
        year = str(vintage["vintage"])
        sheet.cell(row, 1, vintage["vintage"])
        for column, side in ((2, "baseline"), (3, "project")):
            terms = [
                f"({energy[key]}-{_uncredited(vintage, side, key[2])})*{factors[key]}"
                for key in sorted(energy)
                if key[:2] == (year, side)
            ]
            sheet.cell(row, column, "=" + ("+".join(terms) or "0"))
        sheet.cell(row, 4, f"=MAX(0,B{row}-C{row})*{leakage}")
        sheet.cell(row, 5, f"=B{row}-C{row}-D{row}")
        before = float(vintage["cumulative_t"]) - float(vintage["reductions_t"])
        sheet.cell(row, 6, round(before, 6)).fill = _INPUT
        sheet.cell(row, 7, f"=F{row}+E{row}")
        sheet.cell(row, 8, vintage["issued_before_t"]).fill = _INPUT
        sheet.cell(row, 9, f"=MAX(0,MAX(0,FLOOR(G{row},1))-H{row})")
        sheet.cell(row, 10, vintage["issued_t"])
        rows.append(row)
    return rows


def _uncredited(vintage: dict[str, Any], side: str, name: str) -> str:
    if side == "project":
        return "0"
    own = [one["uncredited_kwh"] for one in vintage["baseline"] if one["vehicle_class"] == name]
    return str(float(own[0])) if own else "0"


def _allocation(book: Workbook, document: dict[str, Any], rows: list[int]) -> None:
    sheet = book.create_sheet("Allocation")
    _head(sheet, 1, ["holder", "weight", "exact share t", "this report t", "cumulative t"])
    allocation = document["allocation"]
    count = len(allocation["holders"])
    for row, one in enumerate(allocation["holders"], 2):
        sheet.cell(row, 1, _text(one["holder"]))
        sheet.cell(row, 2, one["weight"])
        sheet.cell(
            row, 3, f"=B{row}/SUM(B$2:B${count + 1})*SUM(Tonnes!I2:I{max(rows, default=2)})"
        )
        sheet.cell(row, 4, one["this_report_t"])
        sheet.cell(row, 5, one["cumulative_t"])
    row = count + 2
    sheet.cell(row, 1, "unallocated")
    sheet.cell(row, 4, allocation["unallocated_this_report_t"])
    sheet.cell(row, 5, allocation["unallocated_cumulative_t"])
    sheet.cell(row + 1, 1, "total").font = _BOLD
    sheet.cell(row + 1, 4, f"=SUM(D2:D{row})").font = _BOLD
    sheet.cell(row + 1, 5, f"=SUM(E2:E{row})").font = _BOLD


def _plain(book: Workbook, title: str, rows: list[dict[str, Any]]) -> None:
    sheet = book.create_sheet(title)
    if not rows:
        sheet.cell(1, 1, "None.")
        return
    names = list(rows[0])
    _head(sheet, 1, names)
    for number, one in enumerate(rows, 2):
        for column, name in enumerate(names, 1):
            cell = sheet.cell(number, column, _text(one[name]))
            if name == "value":
                cell.value, cell.fill = float(one[name]), _INPUT


def _summary(sheet: Worksheet, document: dict[str, Any], rows: list[int]) -> None:
    report, last = document["report"], max(rows, default=2)
    for row, stamp in enumerate(report["stamps"], 1):
        sheet.cell(row, 1, stamp).fill = _STAMP
    lines = [
        ("Report", _text(report["id"])),
        ("Activity", _text(report["title"])),
        ("Period", f"{report['period']['first_day']} to {report['period']['last_day']}"),
        ("Status", report["status"]),
        ("", report["claim"]),
        ("Whole tonnes, this sheet", f"=SUM(Tonnes!I2:I{last})"),
        ("Whole tonnes, report", document["totals"]["issued_t"]),
        ("Difference", f"=B{len(report['stamps']) + 7}-B{len(report['stamps']) + 8}"),
        ("Merkle root", document["evidence"]["merkle_root"]),
        ("Yellow cells", "inputs from the report; everything else is a formula"),
    ]
    for row, (name, value) in enumerate(lines, len(report["stamps"]) + 2):
        sheet.cell(row, 1, name).font = _BOLD
        sheet.cell(row, 2, value)
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 28, 70
