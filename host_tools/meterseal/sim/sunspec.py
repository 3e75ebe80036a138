"""What a simulated SunSpec meter has besides its values: `SunS`, the headers of its blocks, the
end.
"""

from meterseal.profiles import Profile
from meterseal.profiles.sunspec import COMMON_MODEL, END_MODEL, SUNS

_COMMON_LENGTH = 66
_VENDOR_MODEL = 64_999
_MODEL_LENGTHS = {203: 105, 213: 124}


def header_words(profile: Profile) -> dict[int, int]:
    """Address -> word of the chain of blocks; empty for a meter without SunSpec."""
    if profile.sunspec is None:
        return {}
    base, at = profile.sunspec.bases[0], profile.sunspec.at
    length = _MODEL_LENGTHS[profile.sunspec.model]
    words = {base: SUNS[0], base + 1: SUNS[1]}
    after_common = base + 2 + 2 + _COMMON_LENGTH
    blocks = [(base + 2, COMMON_MODEL, _COMMON_LENGTH)]
    if at > after_common:
        blocks.append((after_common, _VENDOR_MODEL, at - after_common - 2))
    blocks += [(at, profile.sunspec.model, length), (at + 2 + length, END_MODEL, 0)]
    for address, model, registers in blocks:
        words |= {address: model, address + 1: registers}
    return words
