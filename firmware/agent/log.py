"""One `key=value` line per occurrence; the last lines stay in RAM for whoever looks at the board.

Does no formatting below the level in force. Must never be given a key, a password or a token:
callers pass codes, counts and times. Nothing here is signed or stored.
"""

from agent.constant import const

DEBUG, INFO, WARN, ERROR, OFF = 10, 20, 30, 40, 50
_NAMES = {DEBUG: "debug", INFO: "info", WARN: "warn", ERROR: "error"}
_KEEP_LEN = const(2400)  # characters: some forty lines of the normal course of things
_MOST_LINES = const(60)

_level = INFO
_sink = print
_lines = []
_length = 0  # characters in them


def configure(level=None, sink=None):
    """Set the lowest level that is written, and the function that takes each line."""
    global _level, _sink
    _level = _level if level is None else level
    _sink = _sink if sink is None else sink


def level_named(name):
    """The level of a configuration's `log_level`."""
    return {n: level for level, n in _NAMES.items()}[name]


def recent():
    """The last lines, oldest first."""
    return list(_lines)


def _write(level, area, message, fields):
    if level < _level:
        return
    pairs = ["%s=%s" % (k, fields[k]) for k in sorted(fields)]
    line = " ".join([_NAMES[level], area, message] + pairs)
    _keep(line)
    _sink(line)


def _keep(line):
    """Room is made before it is needed: the list never grows while memory is short."""
    global _length
    while _lines and (_length + len(line) > _KEEP_LEN or len(_lines) == _MOST_LINES):
        _length -= len(_lines.pop(0))
    if len(line) <= _KEEP_LEN:
        _lines.append(line)
        _length += len(line)


def debug(area, message, **fields):
    """Detail that only a developer wants."""
    _write(DEBUG, area, message, fields)


def info(area, message, **fields):
    """Normal course of things."""
    _write(INFO, area, message, fields)


def warn(area, message, **fields):
    """Something failed and is being dealt with."""
    _write(WARN, area, message, fields)


def error(area, message, **fields):
    """Something failed that the device cannot deal with alone."""
    _write(ERROR, area, message, fields)
