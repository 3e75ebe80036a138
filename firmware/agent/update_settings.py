"""Settings that came from afar: checked before their trial, and laid over those of the cable.

The cable has the last word: settings from afar count over the very files that they were installed
over, and over no others. Must never let settings change who may sign updates, or what the board
is: those come by the cable.
"""

import hashlib

from .errors import UpdateError

_HASH_LEN = 8


def over(read_file, directory):
    """`read_file` that looks into `directory` first."""

    def read(name):
        try:
            with open(directory + "/" + name, "rb") as file:
                return file.read()
        except OSError:
            return read_file(name)

    return read


def cable_hash(read_file, paths):
    """Of the cable's files that settings in `paths` lie over, config.json in any case."""
    whole = hashlib.sha256()
    for name in sorted(set(list(paths) + ["config.json"])):
        try:
            data = read_file(name)
        except OSError:
            data = b""
        whole.update(("%s %d " % (name, len(data))).encode())
        whole.update(data)
    return whole.digest()[:_HASH_LEN]


def check_settings(files, read_file, present):
    """ConfigError, ProfileError or UpdateError unless the station could start with them."""
    from . import config, forget, station_profiles

    read = over(read_file, files.directory)
    found = config.load(read)
    station_profiles.load_profiles(found, read)
    del config, station_profiles
    forget.modules("config", "config_fields", "station_profiles", "profile", "profile_check")
    for name in ("owners", "board"):
        if found["update"][name] != present[name]:
            raise UpdateError(
                "update-settings",
                "expected update.%s as it is, found another; change it over the cable" % name,
            )
