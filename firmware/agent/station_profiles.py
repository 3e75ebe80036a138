"""The profiles that the configuration names, checked, and what of them the sealer needs.

Needed once, at the start, and forgotten then (see `forget`). Must never go on without a profile.
"""

from . import profile
from .errors import ConfigError
from .reading import MAX_CONTEXT_LEN, Context, Meter


def load_profiles(config, read_file):
    """Profile id -> Profile for every meter; ProfileError, ConfigError `profile-missing` or
    `config-meters`.
    """
    profiles = {}
    for meter in config["meters"]:
        name = meter["profile"]
        if name not in profiles:
            profiles[name] = profile.load(_read(read_file, name), config["quantities"])
    _check_room(config["meters"], profiles)
    return profiles


def _check_room(meters, profiles):
    """The journal describes all meters at once, each with every register that says who it is."""
    empty = length = len(Context(0, ()).pack())
    lengths = {name: len(Context(0, (_whole(profiles[name]),)).pack()) for name in profiles}
    for count, meter in enumerate(meters):
        length += lengths[meter["profile"]] - empty
        if length > MAX_CONTEXT_LEN:
            raise ConfigError(
                "config-meters",
                "expected meters whose description takes at most %d bytes, found room for the"
                " first %d of %d; put the others on another station, or choose fewer quantities"
                % (MAX_CONTEXT_LEN, count, len(meters)),
                key="meters",
            )


def _whole(found):
    """A meter of this profile that refuses none of its registers."""
    identity, setup = [
        [(r.function, r.address, bytes(2 * r.count)) for r in registers]
        for registers in (found.identity, found.setup)
    ]
    return Meter(found.id, found.hash_16, 0, identity, setup, found.layout())


def _read(read_file, name):
    try:
        return read_file("profiles/%s.json" % name)
    except OSError:
        raise ConfigError(
            "profile-missing",
            "expected the file profiles/%s.json, found none: copy it, or correct the name" % name,
            key="meters.profile",
        )
