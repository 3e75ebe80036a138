"""Structure of a profile file: strict JSON, known keys, types and ranges. Meaning is checked in
`lint_rules`.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from meterseal.profiles import schema

# A free factor is how a wrong scale gets in: never, under any name.
_MULTIPLIERS: Final = frozenset(
    {"multiplier", "multiply", "scale", "scaling", "scaler", "factor", "gain", "coefficient"}
    | {"divisor", "divide", "divide_by"}
)


@dataclass(frozen=True)
class Finding:
    """One defect: stable code, where in the file, and what was expected and found."""

    code: str
    where: str
    text: str


@dataclass(frozen=True)
class Key:
    """Rule for one key of an object: needed or not, and what its value must be (text and test)."""

    needed: bool
    expected: str
    test: Callable[[Any], bool]


class DefectiveJson(ValueError):
    """JSON that other readers might understand differently: duplicate keys, floats, constants."""


def _is_int(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 600 and value == value.strip()


def _is_list(test: Callable[[Any], bool], *, least: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(test, value))


def _is_one_of(*choices: object) -> Callable[[Any], bool]:
    return lambda value: any(type(value) is type(choice) and value == choice for choice in choices)


def _is_hex(digits: int) -> Callable[[Any], bool]:
    form = re.compile(rf"0x[0-9A-F]{{1,{digits}}}")
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"0x[0-9A-F]{4}", value) is not None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _text(needed: bool = True) -> Key:
    return Key(needed, "a text without blanks around it", _is_text)


def _number(low: int, high: int, *, needed: bool = True) -> Key:
    return Key(needed, f"an integer from {low} to {high}", _is_int(low, high))


def _choice(*choices: object, needed: bool = True) -> Key:
    return Key(needed, "one of " + " ".join(map(str, choices)), _is_one_of(*choices))


_ADDRESS = Key(True, 'an address "0x0000" to "0xFFFF"', _is_address)
_OBJECT = Key(True, "an object", _is_object)
_TEXTS = Key(True, "a list of texts", _is_list(_is_text))

PROFILE_KEYS: Final[dict[str, Key]] = {
    "profile": _choice(schema.PROFILE_VERSION),
    "id": Key(
        True,
        "lower-case letters, digits and hyphens",
        lambda v: isinstance(v, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", v) is not None,
    ),
    "name": _text(),
    "maker": _text(),
    "models": Key(True, "a list of at least one text", _is_list(_is_text, least=1)),
    "labels": Key(False, "a list of texts", _is_list(_is_text)),
    "phases": _choice(1, 3),
    "sources": Key(True, "a list of at least one object", _is_list(_is_object, least=1)),
    "confidence": _choice(*schema.CONFIDENCES),
    "bench": Key(True, "a list of objects", _is_list(_is_object)),
    "notes": Key(False, "a list of texts", _is_list(_is_text)),
    "bus": _OBJECT,
    "registers": Key(
        True, "an object with at least one register", lambda v: _is_object(v) and bool(v)
    ),
    "identity": _OBJECT,
    "setup": _OBJECT,
    "resettable": _OBJECT,
    "sunspec": Key(False, "an object", _is_object),
}
SOURCE_KEYS: Final = {"id": _text(), "title": _text(), "url": _text()}
BENCH_KEYS: Final = {"date": _text(), "by": _text(), "serial": _text(), "result": _text()}
BUS_KEYS: Final[dict[str, Key]] = {
    "kinds": Key(True, "a list out of rtu, tcp", _is_list(_is_one_of(*schema.BUS_KINDS), least=1)),
    "baud": _number(300, 921_600),
    "parity": _choice(*schema.PARITIES),
    "stop_bits": _choice(1, 2),
    "bauds": Key(False, "a list of baud rates", _is_list(_is_int(300, 921_600))),
    "unit_id": _number(1, 247),
    "max_registers": _number(1, 125),
    "max_hole": _number(0, 124),
    "turnaround_ms": _number(1, 2000),
    "timeout_ms": _number(10, 10_000),
    "min_interval_ms": _number(1, 60_000, needed=False),
    "settings": _choice(*schema.SETTINGS_ORIGINS),
    "sources": Key(False, "a list of texts", _is_list(_is_text, least=1)),
}
REGISTER_KEYS: Final[dict[str, Key]] = {
    "fn": _choice(3, 4),
    "addr": _ADDRESS,
    "type": _choice(*schema.TYPE_REGISTERS),
    "count": _number(1, schema.MAX_COUNTED_REGISTERS, needed=False),
    "order": _choice(*schema.ORDERS, needed=False),
    "unit": _choice(*schema.UNITS, needed=False),
    "exp10": _number(-9, 9, needed=False),
    "sf": _text(needed=False),
    "resolution": _text(needed=False),
    "total": _choice(True, needed=False),
    "not_available": Key(False, "a list of hexadecimal values", _is_list(_is_hex(16), least=1)),
    "expect": Key(
        False, "a list of integers", _is_list(_is_int(-(1 << 63), (1 << 64) - 1), least=1)
    ),
    "sources": _TEXTS,
    "confidence": _choice(*schema.CONFIDENCES),
    "note": _text(needed=False),
}
SUNSPEC_KEYS: Final[dict[str, Key]] = {
    "model": _number(1, 65534),
    "at": _ADDRESS,
    "bases": Key(True, "a list of addresses", _is_list(_is_address, least=1)),
}


def parse(data: bytes) -> Any:
    """JSON tree of a profile. Raises DefectiveJson for what strict readers refuse."""
    return json.loads(
        data.decode("utf-8"),
        object_pairs_hook=_no_duplicates,
        parse_float=_refuse,
        parse_constant=_refuse,
    )


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DefectiveJson(f"a key appears twice among {[key for key, _ in pairs]}")
    return found


def _refuse(text: str) -> Any:
    raise DefectiveJson(f"expected integers only, found {text}")


def check(tree: Any) -> Iterator[Finding]:
    """Every structural defect of a profile's tree."""
    if not isinstance(tree, dict):
        yield Finding("profile-type", "file", f"expected an object, found {type(tree).__name__}")
        return
    yield from _check_object(tree, PROFILE_KEYS, "profile")
    for name, keys in (("bus", BUS_KEYS), ("sunspec", SUNSPEC_KEYS)):
        if isinstance(tree.get(name), dict):
            yield from _check_object(tree[name], keys, name)
    for name, keys in (("sources", SOURCE_KEYS), ("bench", BENCH_KEYS)):
        for index, entry in enumerate(_items(tree.get(name), list)):
            yield from _check_object(entry, keys, f"{name}[{index}]")
    for section in schema.SECTIONS:
        for name, entry in _items(tree.get(section), dict):
            yield from _check_object(entry, REGISTER_KEYS, f"{section}.{name}")


def _items(value: Any, kind: type) -> Any:
    """Entries of a list or object; nothing where the value is of another kind (reported
    elsewhere).
    """
    if not isinstance(value, kind):
        return ()
    return value.items() if isinstance(value, dict) else value


def _check_object(entry: Any, keys: dict[str, Key], where: str) -> Iterator[Finding]:
    if not isinstance(entry, dict):
        yield Finding("profile-type", where, f"expected an object, found {type(entry).__name__}")
        return
    for name in entry:
        if name.lower() in _MULTIPLIERS:
            yield Finding(
                "profile-multiplier",
                f"{where}.{name}",
                "expected type, unit and exp10; found a free factor",
            )
        elif name not in keys:
            yield Finding(
                "profile-key-unknown", f"{where}.{name}", f"expected one of {' '.join(keys)}"
            )
    for name, key in keys.items():
        if name not in entry:
            if key.needed:
                yield Finding(
                    "profile-key-missing",
                    f"{where}.{name}",
                    f"expected {key.expected}, found nothing",
                )
        elif not key.test(entry[name]):
            yield Finding(
                "profile-value",
                f"{where}.{name}",
                f"expected {key.expected}, found {entry[name]!r}",
            )
