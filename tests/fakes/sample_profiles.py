"""Small profiles for tests of what uses a profile; the shipped ones may change, these do not."""

import json

from agent import profile

_SOURCE = {"id": "test", "title": "made up for tests", "url": "https://example.org"}


def register(address, kind, function=4, **more):
    """A register entry with what every one needs."""
    entry = {
        "fn": function,
        "addr": "0x%04X" % address,
        "type": kind,
        "sources": ["test"],
        "confidence": "single",
    }
    entry.update(more)
    return entry


def description(registers, identity=None, setup=None, resettable=None, **bus):
    """A whole profile as a dictionary."""
    settings = {
        "kinds": ["rtu", "tcp"],
        "baud": 9600,
        "parity": "N",
        "stop_bits": 1,
        "unit_id": 1,
        "max_registers": 50,
        "max_hole": 16,
        "turnaround_ms": 20,
        "timeout_ms": 300,
        "settings": "general",
    }
    settings.update(bus)
    return {
        "profile": 1,
        "id": "test-meter",
        "name": "Test",
        "maker": "Test",
        "models": ["Test"],
        "phases": 1,
        "sources": [_SOURCE],
        "confidence": "single",
        "bench": [],
        "bus": settings,
        "registers": registers,
        "identity": identity or {},
        "setup": setup or {},
        "resettable": resettable or {},
    }


def sample(described, quantities=None):
    """The loaded profile of a description."""
    return profile.load(json.dumps(described).encode(), quantities)


# 32-bit integers, low word first, no identity, as many simple meters have them.
INTEGER = description(
    {
        "voltage_l1_v": register(0x00, "s32", order="CDAB", unit="V", exp10=-1),
        "current_l1_a": register(0x0A, "s32", order="CDAB", unit="A", exp10=-3),
        "power_w": register(0x28, "s32", order="CDAB", unit="W", exp10=-1),
        "energy_import_wh": register(0x34, "s32", order="CDAB", unit="kWh", exp10=-1, total=True),
    }
)

# 64-bit energy in Wh, holding registers, serial number and model.
SIGNED_64 = description(
    {
        "energy_import_wh": register(0x0C83, "s64", 3, order="ABCD", unit="Wh", total=True),
        "power_w": register(0x0BF3, "f32", 3, order="ABCD", unit="kW"),
    },
    {
        "serial": register(0x81, "u32", 3, order="ABCD"),
        "model": register(0x31, "str", 3, count=4),
    },
    max_hole=0,
)
