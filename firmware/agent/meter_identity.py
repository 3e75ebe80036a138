"""What a meter says about itself: serial number, model, set-up registers.

Needed at the start and once a day, and forgotten in between (see `forget`). Must never decode what
is going to be sealed.
"""

from collections import namedtuple

from . import decode
from .constant import const
from .errors import ModbusException

# Registers as the wire has them; names of those that hold what the profile does not expect.
Identity = namedtuple("Identity", "identity setup unexpected")

_NOT_THERE = const((1, 2, 3))  # exceptions that say: no such function, address or length


async def read(reader):
    """The Identity of the meter behind a MeterReader; raises ModbusError."""
    profile = reader.profile
    identity = await _registers(reader, profile.identity)
    setup = await _registers(reader, profile.setup)
    unexpected = [
        register.name
        for register in profile.identity + profile.setup
        if not _as_expected(register, reader.words_of(register, identity + setup))
    ]
    return Identity(identity, setup, unexpected)


async def _registers(reader, registers):
    """What the meter has of these; a register that it refuses is left out."""
    found = []
    for function, address, count in [
        (r.function, reader.at(r.address), r.count) for r in registers
    ]:
        try:
            words = await reader.client.read(reader.unit, function, address, count)
        except ModbusException as error:
            if error.fields["exception"] not in _NOT_THERE:
                raise
            continue
        found.append((function, address, words))
    return tuple(found)


def _as_expected(register, words):
    """A register that the meter refuses says nothing either way."""
    if not register.expect or words is None:
        return True
    return decode.unsigned(words, register.order) in register.expect
