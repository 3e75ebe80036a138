"""The registers of a simulated meter as a pymodbus device: which addresses exist, and what they
hold when they are read.
"""

from collections.abc import Iterable

from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from meterseal.profiles import Register
from meterseal.sim.meter import SimulatedMeter

_HOLDING, _INPUT = 3, 4


def sim_device(meter: SimulatedMeter) -> SimDevice:
    """pymodbus device with the meter's registers; addresses that a profile does not list answer
    exception 2.

    Holes of up to `max_hole` registers between two listed ones read as zero, as the profile
    promises.
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
        registers[offset : offset + count] = words_at(meter, function, address, count)
        return None

    no_bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    blocks = (no_bits, no_bits, _blocks(meter, _HOLDING), _blocks(meter, _INPUT))
    return SimDevice(id=meter.unit_id, simdata=blocks, action=refresh)


def words_at(meter: SimulatedMeter, function: int, address: int, count: int) -> list[int]:
    """`count` words from `address`, all of one moment; what lies between registers is zero."""
    words = [0] * count
    truth = meter.truth()
    for register in meter.profile.all_registers():
        if register.function != function or register.end <= address:
            continue
        for position, word in enumerate(meter.words(register, truth), register.address - address):
            if 0 <= position < count:
                words[position] = word
    return words


def _blocks(meter: SimulatedMeter, function: int) -> list[SimData]:
    registers = [r for r in meter.profile.all_registers() if r.function == function]
    runs = _runs(registers, meter.profile.bus.max_hole)
    if not runs:
        # pymodbus wants at least one block; no meter has anything at the last address.
        runs = [(0xFFFF, 0x10000)]
    return [
        SimData(start, values=[0] * (end - start), datatype=DataType.REGISTERS)
        for start, end in runs
    ]


def _runs(registers: Iterable[Register], max_hole: int) -> list[tuple[int, int]]:
    """Stretches of readable addresses as (first, behind the last)."""
    runs: list[tuple[int, int]] = []
    for register in sorted(registers, key=lambda r: r.address):
        if runs and register.address <= runs[-1][1] + max_hole:
            runs[-1] = (runs[-1][0], max(runs[-1][1], register.end))
        else:
            runs.append((register.address, register.end))
    return runs
