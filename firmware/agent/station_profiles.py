"""The profiles that the configuration names, checked, and what of them the sealer needs.

Needed once, at the start, and forgotten then (see `forget`). Must never go on without a profile.
"""

from . import profile
from .errors import ConfigError


def load_profiles(config, read_file):
    """Profile id -> Profile for every meter; ProfileError or ConfigError `profile-missing`."""
    profiles = {}
    for meter in config["meters"]:
        name = meter["profile"]
        if name not in profiles:
            profiles[name] = profile.load(_read(read_file, name), config["quantities"])
    return profiles


def _read(read_file, name):
    try:
        return read_file("profiles/%s.json" % name)
    except OSError:
        raise ConfigError(
            "profile-missing",
            "expected the file profiles/%s.json, found none: copy it, or correct the name" % name,
            key="meters.profile",
        )
