"""Runs on the device's interpreter: reads meters with the device's client, profiles and decoder.

Usage: micropython device_reads_meters.py FIRMWARE_DIR PLAN.json

PLAN: {"link": {"kind": "rtu", "path"} or {"kind": "tcp" or "rtu_over_tcp", "host", "port"},
"meters": [{"profile", "unit_id"}]}. Prints one JSON line for each meter: {"profile", "values" in
thousandths, "status", "flags", "unexpected", "identity" in hex, "reads"}.
"""

import asyncio
import binascii
import json
import sys

sys.path.insert(0, sys.argv[1])

from agent import decode, profile
from agent.modbus.client import RtuClient, RtuOverTcpClient, TcpClient, limits
from agent.ports.unix import Uart
from agent.station_meters import reader_class


class MonoClock:
    """The one thing of the clock that a reader needs."""

    def mono_ms(self):
        return 0


def client_of(link):
    """The client that the plan asks for."""
    if link["kind"] == "rtu":
        return RtuClient(Uart(link["path"]))
    return {"tcp": TcpClient, "rtu_over_tcp": RtuOverTcpClient}[link["kind"]](
        link["host"], link["port"]
    )


def values_of(reader, snap, setup):
    """Quantity -> thousandths of everything that was obtained."""
    values = {}
    offset = 0
    for index, column in enumerate(reader.profile.columns):
        raw = bytes(snap.words[offset : offset + 2 * column.count])
        offset += 2 * column.count
        scale = reader._scale(column, setup)
        if snap.present >> index & 1 and scale is not None:
            values[column.name] = decode.milli(
                raw, column.kind, column.order, column.exp10 + scale, column.markers
            )
    return values


async def read_one(client, meter):
    """The printed line for one meter."""
    with open(sys.argv[1] + "/profiles/" + meter["profile"] + ".json", "rb") as file:
        loaded = profile.load(file.read())
    # Loopback delivers nothing late or twice: no need to wait a second between like reads.
    lim = limits(first_byte_ms=3000, late_ms=5)
    reader = reader_class(loaded)(client, meter["unit_id"], loaded, MonoClock(), None, lim)
    snap = await reader.snapshot()
    found = await reader.read_identity()
    return {
        "profile": meter["profile"],
        "values": values_of(reader, snap, found.setup),
        "status": snap.status,
        "flags": snap.flags,
        "unexpected": found.unexpected,
        "identity": [binascii.hexlify(words).decode() for _, _, words in found.identity],
        "reads": len(reader.reads),
    }


async def main(plan):
    """Read every meter of the plan."""
    client = client_of(plan["link"])
    for meter in plan["meters"]:
        print(json.dumps(await read_one(client, meter)))


with open(sys.argv[2]) as plan_file:
    asyncio.run(main(json.load(plan_file)))
