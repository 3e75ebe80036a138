"""The station's configuration: one table of fields drives checking, defaults, help and the README.

Reads `config.json` and, apart from it, `secrets.json`, whose values are never logged, shown in
errors or hashed. Must never guess: an unknown key, a wrong type or a value out of range is refused
with the nearest known key or the permitted range; half of a configuration is no configuration.
"""

import hashlib
import json

from .config_fields import (
    CHOICE,
    FIELDS,
    INTEGER,
    LIST,
    REQUIRED,
    SECRET_FIELDS,
    SECTION,
    SECTIONS,
    TEXT,
)
from .config_rules import check_together
from .config_values import Config
from .errors import ConfigError

_ENOENT = 2
_TYPE_NAMES = {
    INTEGER: "a whole number",
    TEXT: "a text",
    CHOICE: "a text",
    LIST: "a list of texts",
}


def load(read_file):
    """Check `config.json` and `secrets.json`; `read_file(name)` gives bytes or raises OSError."""
    file_bytes = _read(read_file, "config.json")
    values = check(parse(file_bytes, "config.json"), FIELDS, "")
    check_together(values)
    try:
        secret_bytes = read_file("secrets.json")
    except OSError as error:
        if error.args[0] != _ENOENT:
            raise ConfigError(
                "config-unreadable",
                "expected to read secrets.json, found: %s; a restart tries again" % error,
                key="secrets.json",
            )
        secret_bytes = b"{}"
    secrets = check(parse(secret_bytes, "secrets.json"), SECRET_FIELDS, "secrets.")
    return Config(values, secrets, hashlib.sha256(file_bytes).digest()[:8])


def _read(read_file, name):
    try:
        return read_file(name)
    except OSError as error:
        raise ConfigError(
            "config-missing",
            "expected the file %s, found none (%s): put the station into service first"
            % (name, error),
            key=name,
        )


def parse(file_bytes, name):
    """JSON object in `file_bytes`; the error never quotes them."""
    try:
        found = json.loads(file_bytes)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(
            "config-json", "expected %s to be one JSON object; correct the file" % name, key=name
        )
    return found


def check(found, fields, path):
    """`found` with every default filled in; `path` names where it stands (``"uplink."``)."""
    if not isinstance(found, dict):
        raise ConfigError(
            "config-type", "expected %s to be a JSON object" % (path or "."), key=path
        )
    known = [field.name for field in fields]
    for key in sorted(found):
        if key not in known:
            near = nearest(key, known)
            raise ConfigError(
                "config-unknown-key",
                "%s%s is not known; the nearest known key is %s" % (path, key, near),
                key=path + key,
                nearest=near,
            )
    return {field.name: _value(field, found, path) for field in fields}


def _value(field, found, path):
    key = path + field.name
    if field.name not in found:
        if field.default is REQUIRED:
            raise ConfigError(
                "config-required", "expected %s (%s), found nothing" % (key, field.help), key=key
            )
        value = field.default
        return _section(field, value, key) if _checked(field, value) else value
    value = found[field.name]
    if field.kind in (SECTION, SECTIONS):
        return _section(field, value, key)
    _check_type(field, value, key)
    _check_range(field, value, key)
    return value


def _checked(field, default):
    """Whether a default is a section to be filled in; a list that may be empty is not."""
    return field.kind == SECTION or (field.kind == SECTIONS and bool(default))


def _section(field, value, key):
    if field.kind == SECTION:
        return check(value, field.low, key + ".")
    if not isinstance(value, list):
        raise ConfigError("config-type", "expected %s to be a list of objects" % key, key=key)
    _check_count(field.high, value, key)
    return [check(item, field.low, "%s[%d]." % (key, i)) for i, item in enumerate(value)]


def _check_type(field, value, key):
    if field.kind == INTEGER:
        ok = isinstance(value, int) and not isinstance(value, bool)
    elif field.kind == LIST:
        ok = isinstance(value, list) and all(isinstance(item, str) for item in value)
    else:
        ok = isinstance(value, str)
    if not ok:
        shown = "something else" if field.secret else repr(value)
        raise ConfigError(
            "config-type",
            "expected %s to be %s, found %s" % (key, _TYPE_NAMES[field.kind], shown),
            key=key,
        )


def _check_range(field, value, key):
    if field.kind == CHOICE:
        if value not in field.low:
            raise ConfigError(
                "config-choice",
                "expected %s to be one of %s, found %r" % (key, ", ".join(field.low), value),
                key=key,
            )
    elif field.kind == LIST:
        _check_count(field.high, value, key)
    else:
        size = value if field.kind == INTEGER else len(value)
        if not field.low <= size <= field.high:
            what = "length of %s" % key if field.kind == TEXT else key
            raise ConfigError(
                "config-range",
                "expected %s in %d..%d, found %d" % (what, field.low, field.high, size),
                key=key,
            )


def _check_count(most, value, key):
    if not 0 < len(value) <= most:
        raise ConfigError(
            "config-range",
            "expected 1..%d entries in %s, found %d" % (most, key, len(value)),
            key=key,
        )


def nearest(key, known):
    """The name of `known` with the least edit distance to `key`."""
    return min(known, key=lambda name: (_distance(key, name), name))


def _distance(a, b):
    """Levenshtein distance; names are short, so two rows do."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a):
        above, row[0] = row[0], i + 1
        for j, right in enumerate(b):
            change = above + (left != right)
            above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, change)
    return row[-1]


def table(fields=FIELDS, path=""):
    """Rows (key, kind, default, permitted, help) of every field, for README and provisioning."""
    for field in fields:
        if field.kind in (SECTION, SECTIONS):
            for row in table(
                field.low, path + field.name + ("[]." if field.kind == SECTIONS else ".")
            ):
                yield row
        else:
            yield (
                path + field.name,
                field.kind,
                field.default_text(),
                field.permitted_text(),
                field.help,
            )
