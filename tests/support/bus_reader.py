"""Reads real meters with the device's bus code; runs on MicroPython and on CPython.

Usage: bus_reader.py rtu PTY | tcp PORT | rtu_over_tcp PORT, then PROFILE UNIT SNAPSHOTS TIMEOUT_MS
HOLD_MS (another task holds the loop for so long, again and again). Prints `identity FUNCTION
ADDRESS HEX`, `reading STATUS FLAGS PRESENT HEX` and `counters` with the six numbers of the
health section.
"""

import asyncio
import binascii
import sys
import time

sys.path[:0] = [__file__.rsplit("/", 1)[0] + "/../../firmware"]

from agent import profile  # noqa: E402
from agent.meter_reader import MeterReader  # noqa: E402
from agent.modbus.client import (  # noqa: E402
    Line,
    RtuClient,
    RtuOverTcpClient,
    TcpClient,
    limits,
)
from agent.modbus.timing import Timing  # noqa: E402


class Clock:
    """Monotonic milliseconds from the ticks; long enough for a test."""

    def __init__(self):
        self._timing = Timing()
        self._start = self._timing.ms()

    def mono_ms(self):
        return self._timing.since_ms(self._start)


def hexadecimal(data):
    return binascii.hexlify(data).decode()


def make_client(kind, target):
    if kind == "tcp":
        return TcpClient("127.0.0.1", int(target))
    if kind == "rtu_over_tcp":
        return RtuOverTcpClient("127.0.0.1", int(target))
    from agent.ports.unix import Uart

    return RtuClient(Uart(target))


async def hold_loop(hold_ms):
    """What signing does on a board: nothing else runs for a while."""
    while True:
        await Timing().sleep_ms(30)
        time.sleep(hold_ms / 1000)


async def main(kind, target, profile_file, unit, snapshots, timeout_ms, hold_ms):
    with open(profile_file, "rb") as file:
        meter = profile.load(file.read())
    line = Line(meter.bus.baud)  # a pseudo-terminal has no parity bit
    lim = limits(first_byte_ms=int(timeout_ms))
    reader = MeterReader(make_client(kind, target), int(unit), meter, Clock(), line, lim)
    holder = asyncio.create_task(hold_loop(int(hold_ms))) if int(hold_ms) else None
    found = await reader.read_identity()
    for function, address, words in found.identity + found.setup:
        print("identity", function, address, hexadecimal(words))
    for _ in range(int(snapshots)):
        snap = await reader.snapshot()
        print("reading", snap.status, snap.flags, snap.present, hexadecimal(snap.words))
    if holder:
        holder.cancel()
    print("counters", *reader.counters())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
