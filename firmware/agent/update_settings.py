"""Settings that came from afar: checked before their trial, and laid over those of the cable.

Must never let settings change who may sign updates, or what the board is: those come by the cable.
"""

from .errors import UpdateError


def over(read_file, directory):
    """`read_file` that looks into `directory` first."""

    def read(name):
        try:
            with open(directory + "/" + name, "rb") as file:
                return file.read()
        except OSError:
            return read_file(name)

    return read


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
