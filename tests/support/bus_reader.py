"""Reads real meters with the device's bus code and prints what it got; runs on MicroPython and on
CPython.

Usage: bus_reader.py rtu PTY | tcp PORT | rtu_over_tcp PORT, then PROFILE_FILE UNIT SNAPSHOTS
Prints `identity FUNCTION ADDRESS HEX`, `reading STATUS FLAGS PRESENT HEX MILLI...`, `counters
...`, `gap_ms LONGEST`.
"""

import asyncio
import binascii
import sys

sys.path[:0] = [__file__.rsplit("/", 1)[0] + "/../../firmware"]

from agent import decode, profile  # noqa: E402
from agent.meter_reader import MeterReader  # noqa: E402
from agent.modbus.client import Line, RtuClient, RtuOverTcpClient, TcpClient  # noqa: E402
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


def make_client(kind, target, bus):
    if kind == "tcp":
        return TcpClient("127.0.0.1", int(target))
    if kind == "rtu_over_tcp":
        return RtuOverTcpClient("127.0.0.1", int(target))
    from agent.ports.unix import Uart

    return RtuClient(Uart(target), line=Line(bus.baud))


async def watch_loop(timing, longest):
    """How long the event loop was ever held."""
    while True:
        start = timing.ms()
        await timing.sleep_ms(5)
        longest[0] = max(longest[0], timing.since_ms(start))


async def main(kind, target, profile_file, unit, snapshots):
    with open(profile_file, "rb") as file:
        meter = profile.load(file.read())
    client = make_client(kind, target, meter.bus)
    line = Line(meter.bus.baud)  # a pseudo-terminal has no parity bit
    reader = MeterReader(client, int(unit), meter, Clock(), line=line)
    longest = [0]
    watcher = asyncio.create_task(watch_loop(Timing(), longest))
    found = await reader.read_identity()
    for function, address, words in found.identity + found.setup:
        print("identity", function, address, hexadecimal(words))
    for _ in range(int(snapshots)):
        snap = await reader.snapshot()
        values, at = [], 0
        for column in meter.columns:
            raw = snap.words[at : at + 2 * column.count]
            at += len(raw)
            exp10 = column.exp10 + (reader._scale(column, found.setup) or 0)
            value = decode.milli(raw, column.kind, column.order, exp10, column.markers)
            values.append(column.name + "=" + str(value))
        print(
            "reading",
            snap.status,
            snap.flags,
            snap.present,
            hexadecimal(snap.words),
            " ".join(values),
        )
    watcher.cancel()
    print("counters", reader.counters())
    print("gap_ms", longest[0])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
