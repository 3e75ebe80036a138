"""The label of a station: a QR code, and the same as text for eyes."""

import html
from typing import Any, Final

from meterseal.trust_keys import thumbprint

_SCALE: Final = 4
_MARGIN: Final = 12
_LINE: Final = 22
_TEXT_WIDTH: Final = 260
_GROUP: Final = 16  # digits of the thumbprint in a line


def label_text(station: str, kept: dict[str, Any]) -> str:
    """What the QR code says."""
    return f"meterseal:1;{station};{kept['device_id']};{_print_of(kept)}"


def label_code(station: str, kept: dict[str, Any]) -> Any:
    """The QR code."""
    import segno

    return segno.make(label_text(station, kept), error="m", micro=False)


def label_svg(station: str, kept: dict[str, Any]) -> str:
    """Code and text side by side."""
    code = label_code(station, kept)
    size = code.symbol_size(scale=_SCALE)[0]
    print_of = _print_of(kept)
    groups = [print_of[at : at + _GROUP] for at in range(0, len(print_of), _GROUP)]
    texts = [(station, "bold 18"), (f"device {kept['device_id']}", "14"), ("thumbprint", "12")]
    rows = [*texts, *((group, "14") for group in groups)]
    lines = "".join(
        f'<text x="{size}" y="{_MARGIN + _LINE * (number + 1)}" '
        f'style="font:{font}px monospace">{html.escape(text)}</text>'
        for number, (text, font) in enumerate(rows)
    )
    height = max(size, 2 * _MARGIN + _LINE * (len(rows) + 1))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size + _TEXT_WIDTH}" '
        f'height="{height}">{code.svg_inline(scale=_SCALE)}{lines}</svg>\n'
    )


def _print_of(kept: dict[str, Any]) -> str:
    return thumbprint(bytes.fromhex(kept["public_key"])).hex()
