"""Numbers of the report document as text."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from meterseal.mrv.exact import decimal_text

TONNE_DIGITS: Final = 6


def total(values: Iterable[Fraction]) -> Fraction:
    """Sum of fractions, 0 of none."""
    return sum(values, Fraction(0))


def tonnes_text(value: Fraction) -> str:
    """Tonnes with six places."""
    return decimal_text(value, TONNE_DIGITS)
