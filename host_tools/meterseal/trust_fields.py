"""Fields of trust files: texts, times and hexadecimal digits, taken out strictly; entry hashes."""

import re
import unicodedata
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NoReturn

from meterseal.errors import TrustError
from meterseal.trust_json import canonical

NO_ENTRY: Final = "00" * 32
MeterName = tuple[str, str]
"""Maker and serial number, normalised: one physical meter."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def entry_hash(entry: dict[str, Any]) -> str:
    """SHA-256 of the entry's canonical JSON, in hexadecimal."""
    return sha256(canonical(entry)).hexdigest()


def unix_ms(text: str) -> int:
    """Milliseconds since 1970 of "2026-01-31T08:00:00Z". Raises TrustError `trust-entry`."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        refuse("trust-entry", 'a time like "2026-01-31T08:00:00Z"', repr(text))
    return int(moment.timestamp()) * 1000


def text_of(entry: dict[str, Any], name: str) -> str:
    """A text of an entry. Raises TrustError `trust-entry`."""
    value = entry.get(name)
    if not isinstance(value, str):
        refuse("trust-entry", f"entry {entry['n']} with a text {name!r}", repr(value))
    return value


def hex_of(entry: dict[str, Any], name: str, length: int, code: str = "trust-entry") -> bytes:
    """So many bytes, written in hexadecimal, lower case. Raises TrustError `code`."""
    value = entry.get(name)
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * length}}}", value):
        refuse(code, f"{name} of {2 * length} hexadecimal digits", repr(value))
    return bytes.fromhex(value)


def list_of(value: object, name: str) -> list[Any]:
    """A list. Raises TrustError `trust-format`."""
    if not isinstance(value, list):
        refuse("trust-format", f"a list of {name}", "another value")
    return value


def plain_serial(text: str) -> str:
    """A serial number without spaces, punctuation, case and leading zeros."""
    return _plain(text).lstrip("0") or "0"


def meter_name(item: dict[str, Any]) -> MeterName:
    """Maker and serial number of an entry, so that one meter has one name however it is spelt."""
    return _plain(item["maker"]), plain_serial(item["serial"])


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(letter for letter in folded if letter.isalnum())


def refuse(code: str, expected: str, found: str) -> NoReturn:
    """Raises TrustError with what was expected and found."""
    raise TrustError(code, f"expected {expected}, found {found}")
