"""Time on the bus for a snapshot of an Eastron SDM630, over the best plan that there can be.

The device's own client, planner and reader run against a simulated line in simulated time:
characters at the baud rate, quiet times, a meter that begins to answer after 20 ms. The best plan
is found by trying every way to split the registers into reads (no limit on holes); its time is
bytes on the wire, quiet times and turnarounds, nothing else.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent import profile
from agent.meter_reader import MeterReader
from agent.modbus.client import Line, RtuClient
from agent.profile_plan import plan, read_us
from fakes.fake_meter import FakeMeter
from fakes.fake_uart import FakeUart
from fakes.virtual_time import VirtualClock, VirtualTiming, run

PROFILE = Path(__file__).resolve().parent.parent.parent / "firmware/profiles/eastron-sdm630.json"
QUANTITIES = ("energy_import_wh", "power_w", "voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
QUANTITIES += ("current_l1_a", "current_l2_a", "current_l3_a")
TURNAROUND_MS = 20
SNAPSHOTS = 20


def partitions(items: Sequence[Any]) -> Iterator[list[list[Any]]]:
    """Every way to split `items` into groups."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for groups in partitions(rest):
        yield [[first], *groups]
        for i in range(len(groups)):
            yield [*groups[:i], [first, *groups[i]], *groups[i + 1 :]]


def group_us(group: Sequence[Any], line: Line, max_registers: int) -> float:
    """Bus time of one read over these columns; infinite if no meter answers it."""
    first = min(column.address for column in group)
    count = max(column.address + column.count for column in group) - first
    if count > max_registers or len({column.function for column in group}) > 1:
        return float("inf")
    return float(read_us(count, line, TURNAROUND_MS))


def best_us(columns: Sequence[Any], line: Line, max_registers: int) -> float:
    """Least bus time over all ways of splitting the reads."""
    return min(
        sum(group_us(group, line, max_registers) for group in groups)
        for groups in partitions(list(columns))
    )


def measured_us(meter: Any, line: Line, units: int) -> float:
    """Simulated time for one snapshot of `units` meters, mean of several in a row."""
    timing = VirtualTiming()
    clock = VirtualClock(timing)
    uart = FakeUart(timing)
    client = RtuClient(uart, timing=timing)
    held = {(4, address): address for address in range(0x60)}
    readers = []
    for unit in range(1, units + 1):
        uart.devices.append(FakeMeter(unit, held, line, 1000 * TURNAROUND_MS, 80))
        readers.append(MeterReader(client, unit, meter, clock, line=line))

    async def poll() -> None:
        for reader in readers:
            snap = await reader.snapshot()
            assert snap.status == 0 and snap.flags == 0

    run(poll())
    start_us = timing.now_us
    for _ in range(SNAPSHOTS):
        run(poll())
    return (timing.now_us - start_us) / SNAPSHOTS


def figures() -> dict[str, float]:
    """Print the table; the figures are simulated time over the time of the best plan."""
    meter = profile.load(PROFILE.read_bytes(), QUANTITIES)
    results: dict[str, float] = {}
    print(
        f"{'baud':>6} {'meters':>6} {'reads':>5} {'best ms':>9} {'measured ms':>11} {'ratio':>6}"
    )
    for baud in (2400, 9600, 19200):
        line = Line(baud)
        best = best_us(meter.columns, line, meter.bus.max_registers)
        reads = len(plan(meter.columns, meter.listed, meter.bus, line))
        for units in (1, 8):
            measured = measured_us(meter, line, units)
            ratio = measured / (best * units)
            print(
                f"{baud:6} {units:6} {reads * units:5} {best * units / 1000:9.1f} "
                f"{measured / 1000:11.1f} {ratio:6.3f}"
            )
            suffix = "" if units == 1 else f"_{units}_meters"
            results[f"bus_time_ratio_sdm630_{baud}{suffix}"] = round(ratio, 4)
    return results
