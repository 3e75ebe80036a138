"""The registers of a simulated meter as a pymodbus device: which addresses exist, and what they
hold when they are read.
"""

from collections.abc import Callable, Iterable

from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from meterseal.profiles.schema import UNITS
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.sunspec import header_words

_HOLDING, _INPUT = 3, 4


def sim_device(meter: SimulatedMeter, before_read: Callable[[SimulatedMeter], bool]) -> SimDevice:
    """pymodbus device with the meter's registers; addresses that a profile does not list answer
    exception 2.

    Holes of up to `max_hole` registers between two listed ones read as zero, as the profile
    promises. `before_read` is called for every request; True makes the energy counters answer 0.
    """

    async def refresh(
        function: int,
        start_address: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if count > meter.profile.bus.max_registers:
            return ExcCodes.ILLEGAL_VALUE
        offset = address - start_address
        zero = before_read(meter)
        words = words_at(meter, function, address, count, zero_energy=zero)
        registers[offset : offset + count] = words
        return None

    no_bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    blocks = (no_bits, no_bits, _blocks(meter, _HOLDING), _blocks(meter, _INPUT))
    return SimDevice(id=meter.unit_id, simdata=blocks, action=refresh)


def words_at(
    meter: SimulatedMeter, function: int, address: int, count: int, *, zero_energy: bool = False
) -> list[int]:
    """`count` words from `address`, all of one moment; what lies between registers is zero."""
    words = [0] * count
    if function == _HOLDING:
        _put(words, address, header_words(meter.profile).items())
    truth = meter.truth()
    for register in meter.profile.all_registers():
        if register.function != function or register.end <= address:
            continue
        own = meter.words(register, truth)
        if zero_energy and register.unit and UNITS[register.unit][0] == "energy":
            own = [0] * register.count
        _put(words, address, enumerate(own, register.address))
    return words


def _put(words: list[int], first: int, placed: Iterable[tuple[int, int]]) -> None:
    """Write words at their addresses into a window that starts at `first`."""
    for address, word in placed:
        if first <= address < first + len(words):
            words[address - first] = word


def _blocks(meter: SimulatedMeter, function: int) -> list[SimData]:
    registers = [r for r in meter.profile.all_registers() if r.function == function]
    places = [(register.address, register.end) for register in registers]
    if function == _HOLDING:
        places += [(address, address + 1) for address in header_words(meter.profile)]
    runs = _runs(places, meter.profile.bus.max_hole)
    if not runs:
        # pymodbus wants at least one block; no meter has anything at the last address.
        runs = [(0xFFFF, 0x10000)]
    return [
        SimData(start, values=[0] * (end - start), datatype=DataType.REGISTERS)
        for start, end in runs
    ]


def _runs(places: Iterable[tuple[int, int]], max_hole: int) -> list[tuple[int, int]]:
    """Stretches of readable addresses as (first, behind the last)."""
    runs: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if runs and start <= runs[-1][1] + max_hole:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((start, end))
    return runs
