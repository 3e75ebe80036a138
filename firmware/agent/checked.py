"""Configuration and profiles as they were checked, so that later boots need not check again.

Where code is loaded into the heap (stock MicroPython with copied files) what checks them takes
room that the station needs. The copy in the state store names the bytes that it was made from:
any change of a file, or of the firmware, and it does not count. Must never hold a secret, and
never be made from anything that was not checked just now.
"""

import binascii
import hashlib
import io
import json

from . import log
from .config_values import Config
from .constant import const
from .profile_model import Bus, Column, Profile, Register, SunSpec
from .version import VERSION

_NAME = const("checked")
_CONFIG = const("config.json")
_SECRETS = const("secrets.json")
MOST_BYTES = 4000  # a blob of NVS


def keep(store, read_file, config, profiles):
    """Keep what was checked; nothing if it is too large, which costs only time and memory."""
    files = ["profiles/%s.json" % name for name in sorted(profiles)]
    found = {
        "of": _digest(read_file, files),
        "files": files,
        "values": config.values,
        "hash": _hex(config.hash_8),
        "secrets": sorted(config.secrets),
        "profiles": {name: _plain(profiles[name]) for name in profiles},
    }
    text = io.StringIO()
    json.dump(found, text)
    blob = text.getvalue().encode()
    if len(blob) <= MOST_BYTES and store.get(_NAME) != blob:
        try:
            store.set(_NAME, blob)
        except OSError as error:  # no room: every boot checks
            log.warn("checked", "not kept", errno=error.args[0])


def read(store, read_file):
    """(configuration, profiles), or None if they have to be checked (again)."""
    try:
        found = json.loads(store.get(_NAME) or b"")
        if found["of"] != _digest(read_file, found["files"]):
            return None
        given = json.loads(_read(read_file, _SECRETS) or b"{}")
        secrets = {name: given.get(name, "") for name in found["secrets"]}
        config = Config(found["values"], secrets, binascii.unhexlify(found["hash"]))
        plain = found["profiles"]
        return config, {name: _profile(plain[name]) for name in plain}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _read(read_file, name):
    try:
        return read_file(name)
    except OSError:
        return b""


def _digest(read_file, files):
    """Of the firmware's version and of everything that is checked."""
    whole = hashlib.sha256(VERSION.encode())
    for name in [_CONFIG, _SECRETS] + files:
        data = _read(read_file, name)
        whole.update(("%s %d " % (name, len(data))).encode())
        whole.update(data)
    return _hex(whole.digest())


def _hex(data):
    return binascii.hexlify(data).decode()


def _plain(profile):
    """Lists alone: the JSON of MicroPython does not know named tuples."""
    sunspec = None if profile.sunspec is None else list(profile.sunspec)
    head = [profile.id, _hex(profile.hash_16), profile.total, sunspec, list(profile.bus)]
    parts = (profile.columns, profile.identity, profile.setup, profile.listed)
    return head + [[list(one) for one in part] for part in parts]


def _profile(plain):
    profile_id, hash_16, total, sunspec, bus, columns, identity, setup, listed = plain
    profile = Profile(profile_id, binascii.unhexlify(hash_16), Bus(*bus))
    profile.total = total
    profile.sunspec = None if sunspec is None else SunSpec(*_tuples(sunspec))
    profile.columns = tuple(Column(*_tuples(one)) for one in columns)
    profile.identity = tuple(Register(*_tuples(one)) for one in identity)
    profile.setup = tuple(Register(*_tuples(one)) for one in setup)
    profile.listed = tuple(tuple(one) for one in listed)
    return profile


def _tuples(members):
    """The lists among the members as the tuples that they were."""
    return [tuple(one) if isinstance(one, list) else one for one in members]
