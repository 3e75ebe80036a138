"""Cells that a spreadsheet does not run: names come from outside."""


def harmless(cell: str) -> str:
    """The cell, quoted if a spreadsheet would take it for a formula; numbers stay as they are."""
    number = cell.lstrip("-").replace(".", "", 1).isdigit()
    return cell if number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")) else f"'{cell}"
