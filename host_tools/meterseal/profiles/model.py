"""A meter profile as the host sees it: frozen values read from one JSON file."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from meterseal.errors import ProfileError
from meterseal.profiles.schema import SECTIONS, TYPE_REGISTERS


@dataclass(frozen=True)
class Register:
    """One value of a meter: `count` registers from `address`, read with `function` (3 or 4)."""

    section: str
    name: str
    function: int
    address: int
    type: str
    count: int
    order: str
    unit: str | None
    exp10: int
    sf: str | None
    resolution: str | None
    total: bool
    not_available: tuple[int, ...]
    expect: tuple[int, ...]
    sources: tuple[str, ...]
    confidence: str
    note: str | None

    @property
    def end(self) -> int:
        """Address behind the last register."""
        return self.address + self.count


@dataclass(frozen=True)
class Bus:
    """Factory line settings and limits of a meter."""

    kinds: tuple[str, ...]
    baud: int
    parity: str
    stop_bits: int
    bauds: tuple[int, ...]
    unit_id: int
    max_registers: int
    max_hole: int
    turnaround_ms: int
    timeout_ms: int
    min_interval_ms: int
    settings: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class SunSpec:
    """Where the SunSpec model block of a profile starts, and where discovery looks for `SunS`."""

    model: int
    at: int
    bases: tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """Where a fact comes from."""

    id: str
    title: str
    url: str


@dataclass(frozen=True)
class Profile:
    """One profile file. `sha256` is over the file's bytes and is what a batch names (WIRE_FORMAT
    4.1).
    """

    id: str
    name: str
    maker: str
    models: tuple[str, ...]
    labels: tuple[str, ...]
    phases: int
    sources: tuple[Source, ...]
    confidence: str
    bench: tuple[dict[str, str], ...]
    notes: tuple[str, ...]
    bus: Bus
    registers: dict[str, Register]
    identity: dict[str, Register]
    setup: dict[str, Register]
    resettable: dict[str, Register]
    sunspec: SunSpec | None
    sha256: bytes

    @property
    def hash_16(self) -> bytes:
        """What batches name the profile by: the first 16 bytes of the file's SHA-256."""
        return self.sha256[:16]

    @property
    def total(self) -> Register:
        """The one register that is worth sealing: the cumulative, not resettable energy."""
        return next(register for register in self.registers.values() if register.total)

    def quantity(self, name: str) -> Register | None:
        """Register for a station's quantity; `energy_import_wh` always means the total."""
        return self.total if name == "energy_import_wh" else self.registers.get(name)

    def all_registers(self) -> list[Register]:
        """Registers of all four sections, in the order of the file."""
        return [register for section in SECTIONS for register in getattr(self, section).values()]


def build(data: bytes) -> Profile:
    """Profile from the bytes of a file that the linter found without a defect.

    Raises ProfileError `profile-malformed` when the bytes do not have the structure of the schema
    at all.
    """
    try:
        return _profile(json.loads(data), hashlib.sha256(data).digest())
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ProfileError(
            "profile-malformed",
            f"expected a profile as firmware/profiles/README.md describes it, found {problem!r}",
            "Run `meterseal profiles lint` on the file: it names every defect.",
        ) from problem


def _profile(tree: dict[str, Any], sha256: bytes) -> Profile:
    sections = {
        section: {name: _register(section, name, entry) for name, entry in tree[section].items()}
        for section in SECTIONS
    }
    sunspec = tree.get("sunspec")
    return Profile(
        id=tree["id"],
        name=tree["name"],
        maker=tree["maker"],
        models=tuple(tree["models"]),
        labels=tuple(tree.get("labels", ())),
        phases=tree["phases"],
        sources=tuple(Source(s["id"], s["title"], s["url"]) for s in tree["sources"]),
        confidence=tree["confidence"],
        bench=tuple(tree["bench"]),
        notes=tuple(tree.get("notes", ())),
        bus=_bus(tree["bus"]),
        sunspec=None if sunspec is None else _sunspec(sunspec),
        sha256=sha256,
        **sections,
    )


def _bus(entry: dict[str, Any]) -> Bus:
    values = {"bauds": (), "min_interval_ms": 0, "sources": (), **entry}
    values |= {name: tuple(values[name]) for name in ("kinds", "bauds", "sources")}
    return Bus(**values)


def _sunspec(entry: dict[str, Any]) -> SunSpec:
    bases = tuple(int(base, 16) for base in entry["bases"])
    return SunSpec(model=entry["model"], at=int(entry["at"], 16), bases=bases)


def _register(section: str, name: str, entry: dict[str, Any]) -> Register:
    return Register(
        section=section,
        name=name,
        function=entry["fn"],
        address=int(entry["addr"], 16),
        type=entry["type"],
        count=TYPE_REGISTERS[entry["type"]] or entry["count"],
        order=entry.get("order", "ABCD"),
        unit=entry.get("unit"),
        exp10=entry.get("exp10", 0),
        sf=entry.get("sf"),
        resolution=entry.get("resolution"),
        total=entry.get("total", False),
        not_available=tuple(int(raw, 16) for raw in entry.get("not_available", ())),
        expect=tuple(entry.get("expect", ())),
        sources=tuple(entry["sources"]),
        confidence=entry["confidence"],
        note=entry.get("note"),
    )
