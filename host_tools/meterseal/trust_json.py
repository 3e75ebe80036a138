"""Strict JSON for what is signed: the subset of RFC 8785 with integers and strings alone.

Duplicate keys, floats, booleans, null and other keys than ASCII are refused, so that one content
has one form and every language reads the same.
"""

import json
from typing import Any, Final, NoReturn

from meterseal.errors import TrustError

# Largest integer that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3).
_MAX_INTEGER: Final = (1 << 53) - 1


def canonical(value: Any) -> bytes:
    """The one form of a value: sorted keys, no spaces, UTF-8.

    Raises TrustError `trust-json` for anything but objects, arrays, strings and integers.
    """
    _check(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def parse(data: bytes) -> dict[str, Any]:
    """An object, in whatever layout.

    Raises TrustError `trust-json`, `trust-duplicate-key`, `trust-float`.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_refuse_float,
            parse_constant=_refuse_float,
        )
    except (ValueError, RecursionError) as problem:
        raise TrustError("trust-json", f"expected JSON in UTF-8, found: {problem}") from None
    if not isinstance(value, dict):
        raise TrustError("trust-json", "expected an object, found another value")
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise TrustError("trust-duplicate-key", f"expected each key once, found {twice!r} twice")
    return found


def _refuse_float(text: str) -> NoReturn:
    raise TrustError("trust-float", f"expected integers only, found {text}")


def _check(value: Any) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise TrustError("trust-json", f"expected ASCII keys, found {key!r}")
            _check(member)
    elif isinstance(value, list):
        for member in value:
            _check(member)
    elif isinstance(value, str):
        _check_text(value)
    elif type(value) is not int or abs(value) > _MAX_INTEGER:
        raise TrustError("trust-json", f"expected strings and integers, found {value!r:.40}")


def _check_text(value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise TrustError("trust-json", "expected Unicode text, found half a character") from None
