"""Serial numbers of meters, as a batch carries them."""

from collections.abc import Sequence

from meterseal.decode import identity_text, words_of
from meterseal.models import Meter, Registers
from meterseal.profiles import Profile, Register
from meterseal.profiles.sunspec import placed


def serial_of(meter: Meter, profile: Profile) -> str:
    """Serial number as the meter gave it; empty if the profile has none or it was not read."""
    register = placed(profile, meter.identity).identity.get("serial")
    words = register and _words(meter.identity, register)
    return identity_text(register, words) if register and words else ""


def _words(blocks: Sequence[Registers], register: Register) -> list[int]:
    """Words of a register out of blocks as read; empty if they are not among them."""
    for block in blocks:
        words = words_of(block.words)
        start = register.address - block.address
        if block.function == register.function and 0 <= start <= len(words) - register.count:
            return words[start : start + register.count]
    return []
