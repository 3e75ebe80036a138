"""What a sealed reading says to a session: register, power, the meter's serial number, the time.

Decodes for OCMF only what was journaled a moment ago, by the profile that is sealed with it. Must
never change a reading, and never take one that failed or was flagged implausible for a good one.
"""

from . import decode, ocmf
from .constant import const
from .meter_reader import IMPLAUSIBLE
from .session import Seen
from .session_gate import meter_id

_MOST_SERIAL = const(64)
_NEVER = b'"\\|'  # would be escapes in a record, six characters each


def seen(watch, reading, clock):
    """`Seen` of a reading of the meter under `watch`."""
    reader = watch.reader
    serial = serial_of(watch)
    mono_ms = 100 * reading.t_100ms
    total = reader.total(reading, watch.setup)
    mark = None
    if total is not None and serial and not reading.flags & IMPLAUSIBLE and total[0] >= 0:
        anchor = clock.anchor()
        places = ocmf.decimals(total[1], total[2] == 0)
        sync = ocmf.letter(anchor, clock.error_ms())
        meter = meter_id(serial)
        mark = ocmf.Mark(reading.sequence, time_ms(clock, mono_ms), sync, total[0], places, meter)
    power_mw = _power_mw(reader, reading, watch.setup)
    return Seen(mark, mono_ms, power_mw, serial, reader.profile.id)


def _power_mw(reader, reading, setup):
    """The total active power, or None."""
    for index, column in enumerate(reader.profile.columns):
        if column.name == "power_w":
            found = reader.decoded(index, reading, setup)
            return found and found[0]
    return None


def time_ms(clock, mono_ms):
    """UTC as the device believes it; without a clock the earliest that it can be (letter U)."""
    anchor = clock.anchor()
    if anchor is None:
        return clock.floor.t_unix_ms + mono_ms
    return anchor[2] + mono_ms - anchor[1]


def state_letter(reading, known):
    """OCMF meter state of a reading: `known`, whether the meter ever answered."""
    if reading.status == 0:
        return "E" if reading.flags & IMPLAUSIBLE else "G"
    if reading.status == 1:
        return "T" if known else "N"
    return "N" if reading.status == 4 else "F"


def serial_of(watch):
    """Serial number as text; profile and unit id if the meter gives none; "" as long as it may yet
    be read.
    """
    profile = watch.reader.profile
    if profile.identity and not watch.identified:
        return ""
    for register in profile.identity:
        place = (register.function, watch.reader.at(register.address))
        for function, address, words in watch.identity:
            if register.name == "serial" and (function, address) == place:
                return _serial_text(bytes(words), register.order)
    return "%s/%d" % (profile.id, watch.reader.unit)


def _serial_text(words, order):
    """Up to eight bytes are a number, more are text; what is not plain text is hexadecimal."""
    if len(words) <= 8:
        return str(decode.unsigned(words, order))
    text = words.rstrip(b"\x00 ").lstrip(b"\x00 ")
    if text and all([33 <= byte < 127 and byte not in _NEVER for byte in text]):
        return text.decode()[:_MOST_SERIAL]
    return "".join(["%02x" % byte for byte in text or words])[:_MOST_SERIAL]
