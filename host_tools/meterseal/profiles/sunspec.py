"""SunSpec: the chain of model blocks, and a profile moved to where a meter keeps its block.

SunSpec Information Model Specification, sections 6.3 (discovery) and 7 (common model).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal.errors import ProfileError
from meterseal.models import Registers
from meterseal.profiles.model import Profile, Register

SUNS: Final = [0x5375, 0x6E53]
COMMON_MODEL: Final = 1
END_MODEL: Final = 0xFFFF
_MOST_BLOCKS: Final = 64

# Words from an address, or None where the meter has nothing there.
ReadWords = Callable[[int, int], list[int] | None]


@dataclass(frozen=True)
class Block:
    """One model block: its number, the address of its id register, registers behind the header."""

    model: int
    at: int
    length: int


def discover(read: ReadWords, bases: tuple[int, ...]) -> tuple[int, list[Block]] | None:
    """Base address and model blocks of a SunSpec meter; None where no base says `SunS`."""
    for base in bases:
        if read(base, 2) == SUNS:
            return base, _walk(read, base + 2)
    return None


def _walk(read: ReadWords, address: int) -> list[Block]:
    blocks: list[Block] = []
    while len(blocks) < _MOST_BLOCKS and address + 2 <= 0x10000:
        header = read(address, 2)
        if header is None or header[0] == END_MODEL:
            break
        blocks.append(Block(header[0], address, header[1]))
        address += 2 + header[1]
    return blocks


def locate(profile: Profile, read: ReadWords) -> Profile | None:
    """The profile with the addresses of this meter; None if the meter has no such model.

    Raises ProfileError `profile-not-sunspec` for a profile without a `sunspec` section.
    """
    if profile.sunspec is None:
        raise ProfileError(
            "profile-not-sunspec",
            f"expected a SunSpec profile, found {profile.id}",
            "Only profiles with a `sunspec` section are discovered.",
        )
    found = discover(read, profile.sunspec.bases)
    if found is None:
        return None
    base, blocks = found
    starts = [block.at for block in blocks if block.model == profile.sunspec.model]
    return relocated(profile, base, starts[0]) if starts else None


def relocated(profile: Profile, base: int, at: int) -> Profile:
    """The profile for a meter whose chain starts at `base`, its model block at `at`."""
    if profile.sunspec is None:
        return profile
    old = profile.sunspec
    shift_block, shift_common = at - old.at, base - old.bases[0]

    def moved(register: Register) -> Register:
        shift = shift_block if register.address >= old.at else shift_common
        return replace(register, address=register.address + shift)

    def all_moved(section: dict[str, Register]) -> dict[str, Register]:
        return {name: moved(register) for name, register in section.items()}

    others = tuple(other for other in old.bases if other != base)
    return replace(
        profile,
        sunspec=replace(old, at=at, bases=(base, *others)),
        registers=all_moved(profile.registers),
        identity=all_moved(profile.identity),
        setup=all_moved(profile.setup),
        resettable=all_moved(profile.resettable),
    )


def placed(profile: Profile, identity: Sequence[Registers]) -> Profile:
    """The profile with the addresses under which a batch has a meter's registers.

    `identity`: the registers as sealed. The model's number stands where the block begins; the
    other registers are those of the common block. As it is where the number is not among them.
    """
    old = profile.sunspec
    if old is None:
        return profile
    number = old.model.to_bytes(2, "big")
    starts = [block.address for block in identity if block.words == number]
    if not starts:
        return profile
    at = starts[0]
    common = {block.address for block in identity} - {at}
    offsets = {one.address - old.bases[0] for one in profile.identity.values()}
    bases = [base for base in old.bases if {base + offset for offset in offsets} >= common]
    return relocated(profile, bases[0] if bases else old.bases[0], at)
