"""The provisioning record: what a board was when it was put into service, by whom and when.

A canonical JSON file. The board states its SHA-256 in its first batch (WIRE_FORMAT.md section 9),
the registry carries it: the record can be shown years later and cannot be another one.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from meterseal.provision.image import agent_files
from meterseal.provision.order import Order
from meterseal.trust_json import canonical
from meterseal.trust_write import now

FORMAT: Final = "meterseal-provisioning-record"
RECORD: Final = "record.json"
_OPEN_FILES: Final = ("config.json", "ca.der")
STOCK: Final = "stock MicroPython with copied files"
FROZEN: Final = "image with the agent frozen"


@dataclass(frozen=True)
class Record:
    """`values` as they are hashed."""

    values: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Hash of the canonical form, hexadecimal."""
        return sha256(canonical(self.values)).hexdigest()

    def says_the_same(self, kept: dict[str, Any]) -> bool:
        """Whether a kept record differs from this one in its time alone."""
        return {**kept["values"], "at": ""} == {**self.values, "at": ""}

    def write(self, folder: Path) -> None:
        """The file whose bytes have that hash."""
        (folder / RECORD).write_bytes(canonical(self.values))


def record_of(order: Order, about: dict[str, Any], kept: dict[str, Any]) -> Record:
    """The record of a board whose key has been proven."""
    files = order.files()
    profiles = {name: data for name, data in files.items() if name.startswith("profiles/")}
    opened = {name: data for name, data in files.items() if name in _OPEN_FILES}
    return Record(
        {
            "format": FORMAT,
            "version": 1,
            "at": now(),
            "by": order.by,
            "station": order.station,
            **{name: kept[name] for name in ("device_id", "public_key", "key_class")},
            **{name: kept[name] for name in ("nonce", "proof", "unique_id")},
            "board": order.board or about["machine"] or "unknown",
            "firmware": {
                "kind": firmware_kind(about),
                "micropython": ".".join(map(str, about["version"])),
                "image_sha256": kept.get("image", ""),
                "agent_sha256": _digest({} if about["frozen"] else agent_files()),
            },
            "config_sha256": _digest(opened),
            "profiles_sha256": _digest(profiles),
            "meters": [_identity(one) for one in order.config.get("meters", ())],
            "registry": [_declared(one) for one in order.meters],
        }
    )


def firmware_kind(about: dict[str, Any]) -> str:
    """Whether the board runs a shipping image."""
    return FROZEN if about["frozen"] else STOCK


def _identity(meter: dict[str, Any]) -> dict[str, Any]:
    return {"profile": str(meter["profile"]), "unit_id": int(meter.get("unit_id", 1))}


def _declared(meter: dict[str, Any]) -> dict[str, Any]:
    return {"unit_id": int(meter.get("unit_id", 0)), "meter": meter.get("meter", {})}


def _digest(files: dict[str, bytes]) -> str:
    """One hash over names and hashes; "" for none."""
    if not files:
        return ""
    lines = [f"{sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())]
    return sha256("".join(lines).encode()).hexdigest()
