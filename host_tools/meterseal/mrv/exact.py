"""Exact numbers: decimal text to fractions and back, and canonical JSON.

Nothing here knows floats. Canonical JSON is the subset of RFC 8785 without floats: keys sorted,
no spaces, UTF-8, integers and strings; the same value gives the same bytes on every machine.
"""

import hashlib
import json
import re
from fractions import Fraction
from typing import Any, Final

from meterseal.errors import MethodologyError

_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
_RATIO: Final = re.compile(r"-?(0|[1-9][0-9]*)/[1-9][0-9]*\Z")


def decimal(text: object, name: str) -> Fraction:
    """A decimal number written as text, exactly; `name` is for the message.

    Raises MethodologyError `number-form`: a TOML float has already lost digits and is refused.
    """
    if not isinstance(text, str) or not _DECIMAL.match(text):
        raise MethodologyError(
            "number-form",
            f"{name}: expected a decimal number in quotes, found {text!r}",
            'Write it in quotes, for example "0.035": numbers must not pass through a float.',
        )
    return Fraction(text)


def ratio(text: object, name: str) -> Fraction:
    """A fraction as `ratio_text` wrote it. Raises MethodologyError `number-form`."""
    if not isinstance(text, str) or not _RATIO.match(text):
        raise MethodologyError(
            "number-form", f"{name}: expected 'numerator/denominator', found {text!r}"
        )
    return Fraction(text)


def ratio_text(value: Fraction) -> str:
    """The exact value as `numerator/denominator` in lowest terms."""
    return f"{value.numerator}/{value.denominator}"


def decimal_text(value: Fraction | int, digits: int) -> str:
    """Rounded half to even to `digits` places, always with that many places, never `-0`."""
    scaled = round(Fraction(value) * 10**digits)
    sign = "-" if scaled < 0 else ""
    whole, rest = divmod(abs(scaled), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}" if digits else f"{sign}{whole}"


def kwh_text(energy_milliwh: int) -> str:
    """Energy in kWh with all six places of a mWh: nothing is rounded."""
    return decimal_text(Fraction(energy_milliwh, 10**6), 6)


def kwh(energy_milliwh: int | Fraction) -> Fraction:
    """Energy in kWh, exactly."""
    return Fraction(energy_milliwh) / 10**6


def percent_text(part: Fraction | int, whole: Fraction | int, digits: int = 3) -> str:
    """Part of a whole in percent; `-` where there is no whole."""
    return decimal_text(Fraction(part) / Fraction(whole) * 100, digits) if whole else "-"


def canonical(value: Any) -> bytes:
    """Canonical JSON. Raises TypeError for floats: they have no exact text."""
    _refuse_floats(value)
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def pretty(value: Any) -> bytes:
    """The same content for people: sorted keys, indented, one newline at the end."""
    _refuse_floats(value)
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"a float in an exact document: {value!r}")
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise TypeError(f"a key that is not text: {name!r}")
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
