"""Fields of each type of entry: which there must be, which there may be, and what they hold.

Texts, integers, lists and objects only (trust_json.py). A field that is not known is left out, not
empty. Errors are ppm, energies Wh, places 1e-7 degrees, times "2026-01-31T08:00:00Z".
"""

import re
from collections.abc import Callable
from typing import Any, Final

from meterseal.errors import RegistryError, TrustError
from meterseal.models import KEY_CLASSES
from meterseal.trust import unix_ms

ROLES: Final = ("main", "connector", "pv", "own-use")
SOURCES: Final = ("grid", "pv", "genset")
MAX_TEXT_LEN: Final = 2000
MAX_ERROR_PPM: Final = 100_000
"""Above 10 % somebody mixed up percent and fraction: 0.2 % is 2000 ppm."""

Check = Callable[[Any], str]
"""What a value should have been; empty if it is right."""


def _text(value: Any) -> str:
    right = isinstance(value, str) and 0 < len(value) <= MAX_TEXT_LEN
    return "" if right else f"a text of 1 to {MAX_TEXT_LEN} characters"


def _text_or_empty(value: Any) -> str:
    return "" if value == "" else _text(value)


def _time(value: Any) -> str:
    try:
        unix_ms(value if isinstance(value, str) else "")
    except TrustError:
        return 'a time like "2026-01-31T08:00:00Z"'
    return ""


def _hex(length: int) -> Check:
    pattern = re.compile(rf"[0-9a-f]{{{2 * length}}}")

    def check(value: Any) -> str:
        right = isinstance(value, str) and pattern.fullmatch(value)
        return "" if right else f"{2 * length} hexadecimal digits in lower case"

    return check


def _proof(value: Any) -> str:
    right = isinstance(value, str) and re.fullmatch(r"(?:[0-9a-f]{2}){1,2048}", value)
    return "" if right else "up to 2048 bytes in hexadecimal, lower case"


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        right = type(value) is int and low <= value <= high
        return "" if right else f"an integer from {low} to {high}"

    return check


def _one_of(*names: str) -> Check:
    return lambda value: "" if value in names else f"one of {', '.join(names)}"


def _ratio(value: Any) -> str:
    right = isinstance(value, list) and len(value) == 2
    right = right and all(type(one) is int and one > 0 for one in value)
    return "" if right else "two positive integers, as [200, 5]"


def _object(**checks: Check) -> Check:
    def check(value: Any) -> str:
        right = isinstance(value, dict) and set(value) == set(checks)
        right = right and not any(checks[name](value[name]) for name in checks)
        return "" if right else f"an object with {' and '.join(checks)}"

    return check


def _sources(value: Any) -> str:
    item = _object(source=_one_of(*SOURCES), share_ppm=_integer(0, 1_000_000))
    right = isinstance(value, list) and not any(item(one) for one in value)
    right = right and sum(one["share_ppm"] for one in value) == 1_000_000
    return "" if right else "sources with shares that make 1,000,000 ppm"


_DEVICE, _SHA256 = _hex(8), _hex(32)
_PPM = _integer(0, MAX_ERROR_PPM)
_NAME = _object(maker=_text, serial=_text)
_ENROL: Final[dict[str, Check]] = {
    "device_id": _DEVICE,
    "public_key": _hex(65),
    "thumbprint": _SHA256,
    "key_class": _one_of(*KEY_CLASSES),
    "station": _text,
}
_METER: Final = _object(maker=_text, model=_text, serial=_text)

REQUIRED: Final[dict[str, dict[str, Check]]] = {
    "enrol": _ENROL,
    "countersign": {"of": _integer(1, 1 << 40), "of_hash": _SHA256},
    "station": {"station": _text, "name": _text},
    "meter-install": {
        "meter": _METER,
        "station": _text,
        "device_id": _DEVICE,
        "unit_id": _integer(1, 247),
        "profile": _text,
        "role": _one_of(*ROLES),
        "rated_w": _integer(1, 10_000_000),
        "accuracy_class": _text,
        "mpe_ppm": _PPM,
        "register_wh": _integer(0, 1 << 50),
        "from": _time,
    },
    "meter-remove": {
        "meter": _NAME,
        "register_wh": _integer(0, 1 << 50),
        "until": _time,
        "reason": _text,
    },
    "calibration": {
        "meter": _NAME,
        "calibrated_at": _time,
        "valid_until": _time,
        "certificate_sha256": _SHA256,
        "mpe_ppm": _PPM,
    },
    "set-aside": {"meter": _NAME, "from": _time, "until": _time, "reason": _text},
    "relabel": {"device_id": _DEVICE, "station": _text},
    "replace-device": {"old_device_id": _DEVICE, "new_device_id": _DEVICE, "at_time": _time},
    "rollover": {"old_device_id": _DEVICE, "new_device_id": _DEVICE, "statement": _proof},
    "revoke": {"device_id": _DEVICE, "since": _time, "reason": _text},
    "retire": {"device_id": _DEVICE, "since": _time},
    "restart": {"device_id": _DEVICE, "chain": _hex(16), "reason": _text},
    "note": {"text": _text},
}
OPTIONAL: Final[dict[str, dict[str, Check]]] = {
    "enrol": {
        "board": _text,
        "firmware": _text,
        "provisioning_hash": _SHA256,
        "nonce": _SHA256,
        "proof": _proof,
        "valid_from": _time,
        "valid_until": _time,
    },
    "station": {
        "time_zone": _text,
        "latitude_e7": _integer(-900_000_000, 900_000_000),
        "longitude_e7": _integer(-1_800_000_000, 1_800_000_000),
        "sources": _sources,
        "from": _time,
        "activity": _text_or_empty,
    },
    "meter-install": {
        "parent": _NAME,
        "ct_ratio": _ratio,
        "pt_ratio": _ratio,
        "vehicle_class": _text_or_empty,
        "source": _one_of("", *SOURCES),
        "initial_test_sha256": _SHA256,
    },
    "meter-remove": {"final_test_sha256": _SHA256},
    "calibration": {"error_found_ppm": _integer(-MAX_ERROR_PPM, MAX_ERROR_PPM)},
    "retire": {"reason": _text},
    "note": {"device_id": _DEVICE, "reverses": _integer(1, 1 << 40)},
}


_LINKING: Final = ("n", "previous", "type", "at", "by", "signatures")
_SIGNATURE: Final = _object(role=_text, public_key=_hex(65), signature=_hex(64))


def _signatures(value: Any) -> str:
    right = isinstance(value, list) and not any(_SIGNATURE(one) for one in value)
    return "" if right else "a list of signatures"


_COMMON: Final[dict[str, Check]] = {"at": _time, "by": _text, "signatures": _signatures}


def fields_of(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry's own fields, without those that link and sign it."""
    return {name: value for name, value in entry.items() if name not in _LINKING}


def check_entry(entry: dict[str, Any]) -> None:
    """A whole entry that was made elsewhere. Raises RegistryError as `check_fields`."""
    check_common(entry)
    check_fields(entry["type"], fields_of(entry))


def check_common(entry: dict[str, Any]) -> None:
    """Type, time, who and signatures. Raises RegistryError `entry-type`, `entry-field`."""
    kind = entry.get("type")
    if not isinstance(kind, str):
        raise RegistryError("entry-type", f"expected the type of an entry, {found(kind)}")
    for name, check in _COMMON.items():
        if (name in entry or name == "at") and (expected := check(entry.get(name))):
            text = f"{kind}: {name}: expected {expected}, {found(entry.get(name))}"
            raise RegistryError("entry-field", text)


def check_fields(kind: str, fields: dict[str, Any]) -> None:
    """Raises RegistryError `entry-type`, `entry-field-missing`, `entry-field-unknown`,
    `entry-field` for an entry that is not complete and well-formed.
    """
    required = REQUIRED.get(kind)
    if required is None:
        known = ", ".join(REQUIRED)
        raise RegistryError("entry-type", f"expected a type out of {known}, found {kind!r}")
    checks = required | OPTIONAL.get(kind, {})
    for name in required:
        if name not in fields:
            text = f"{kind}: expected a field {name!r} ({required[name](None)}), found none"
            raise RegistryError("entry-field-missing", text, f"Add {name}.")
    for name, value in fields.items():
        if name not in checks:
            text = f"{kind}: expected fields out of {', '.join(checks)}, found {name!r}"
            raise RegistryError("entry-field-unknown", text, "Leave it out, or put it in a note.")
        if expected := checks[name](value):
            raise RegistryError(
                "entry-field", f"{kind}: {name}: expected {expected}, {found(value)}"
            )


def found(value: Any) -> str:
    """The end of a sentence that says what was found."""
    text = repr(value)
    return f"found {text if len(text) <= 60 else text[:57] + '...'}"
