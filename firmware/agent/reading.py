"""Readings and their context, and the compact form of both in the journal.

A reading is raw register words, exactly as the meter sent them; nothing here decodes, scales or
corrects them. `Context` holds what stays the same for a run of readings, so that a reading of
four float registers takes 23 bytes. The meters of a context only grow: a changed meter gets a new
index, so that indices keep their meaning; where there is no room, a new context begins.
struct.pack cuts numbers silently on MicroPython, so every field is checked before it is packed.
"""

import struct
from collections import namedtuple

from agent.constant import const
from agent.errors import ReadingError

# `meter`: index into the context's meters; `present`: bit i set = column i of the layout was
# obtained; `words`: all columns of the layout in order, big-endian as sent, zero-filled where
# absent (the wire marks those absent).
Reading = namedtuple("Reading", "sequence boot t_100ms meter status flags present words")

# `identity`, `setup`: tuples of (function, address, words);
# `columns`: tuple of (function, address, count, order).
Meter = namedtuple("Meter", "profile profile_hash unit identity setup columns")

ALL_PRESENT = 0xFFFFFFFF  # what `unpack` gives for status 0, which means that every block was read
MAX_METERS = 32
MAX_COLUMNS = 32
MAX_CONTEXT_LEN = 3072  # packed; one sector of the journal holds it and the longest record
_NOT_OK = const(0x80)  # head byte: status, flags and present follow
_CONTEXT_VERSION = const(1)


def words_len(columns):
    """Bytes of `Reading.words` for a layout."""
    return sum(2 * column[2] for column in columns)


def _check(value, limit, name):
    if not 0 <= value < limit:
        raise ReadingError(
            "reading-range", "%s: expected 0 to %d, found %d" % (name, limit - 1, value)
        )


def pack(reading):
    """Journal form: head, sequence mod 2^16, t_100ms, what is not ok, words."""
    _check(reading.meter, MAX_METERS, "meter index")
    _check(reading.t_100ms, 1 << 32, "t_100ms")
    _check(reading.sequence, 1 << 63, "sequence")
    head = reading.meter
    quality = b""
    if reading.status or reading.flags:
        _check(reading.status, 256, "status")
        _check(reading.flags, 8, "flags")
        _check(reading.present, 1 << MAX_COLUMNS, "present")
        head |= _NOT_OK
        quality = struct.pack(">BBI", reading.status, reading.flags, reading.present)
    fixed = struct.pack(">BHI", head, reading.sequence & 0xFFFF, reading.t_100ms)
    return fixed + quality + reading.words


def unpack(data, boot, last_sequence):
    """The reading that `pack` wrote; its sequence is the next above `last_sequence` that fits."""
    if len(data) < 7 or (data[0] & _NOT_OK and len(data) < 13):
        raise ReadingError(
            "reading-malformed",
            "expected 7 bytes or more (13 if not ok), found %d; the record is stated as lost"
            % len(data),
        )
    head, low, t_100ms = struct.unpack(">BHI", data[:7])
    sequence = last_sequence + 1 + ((low - last_sequence - 1) & 0xFFFF)
    status = flags = 0
    present = ALL_PRESENT
    start = 7
    if head & _NOT_OK:
        status, flags, present = struct.unpack(">BBI", data[7:13])
        start = 13
    meter = head & ~_NOT_OK
    return Reading(sequence, boot, t_100ms, meter, status, flags, present, bytes(data[start:]))


class Context:
    """Boot and meters of the readings after it; every sector of the journal begins with one."""

    def __init__(self, boot, meters):
        self.boot = boot
        self.meters = tuple(meters)

    def pack(self):
        """Journal form, about 60 bytes and the profile id for each meter."""
        _check(self.boot, 1 << 32, "boot")
        _check(len(self.meters), MAX_METERS + 1, "meters")
        out = bytearray(struct.pack(">BIB", _CONTEXT_VERSION, self.boot, len(self.meters)))
        for meter in self.meters:
            _pack_meter(out, meter)
        return bytes(out)

    @staticmethod
    def unpack(data):
        """The context that `pack` wrote; ReadingError `context-malformed` for anything else."""
        cursor = _Cursor(bytes(data))
        version, boot, count = struct.unpack(">BIB", cursor.take(6))
        if version != _CONTEXT_VERSION:
            raise ReadingError(
                "context-version",
                "expected version %d, found %d; was the firmware downgraded?"
                % (_CONTEXT_VERSION, version),
            )
        meters = tuple(_unpack_meter(cursor) for _ in range(count))
        if cursor.offset != len(data):
            raise _malformed(cursor.offset, len(data))
        return Context(boot, meters)


def _pack_meter(out, meter):
    profile = meter.profile.encode()
    _check(len(profile) - 1, 64, "profile id length less one")
    _check(meter.unit, 256, "unit")
    _check(len(meter.profile_hash) - 16, 1, "profile hash length above 16")
    _check(len(meter.columns), MAX_COLUMNS + 1, "columns")
    out.append(len(profile))
    out.extend(profile)
    out.extend(meter.profile_hash)
    out.append(meter.unit)
    for registers in (meter.identity, meter.setup):
        _check(len(registers), 256, "identity or setup registers")
        out.append(len(registers))
        for function, address, words in registers:
            _check(len(words) - 2, 249, "register bytes less two")
            out.extend(struct.pack(">BHB", function, address, len(words)))
            out.extend(words)
    out.append(len(meter.columns))
    for function, address, count, order in meter.columns:
        _check(count - 1, 4, "registers of a column less one")
        _check(order, 4, "order")
        out.extend(struct.pack(">BHBB", function, address, count, order))


def _unpack_meter(cursor):
    profile = cursor.take(cursor.byte()).decode()
    profile_hash = cursor.take(16)
    unit = cursor.byte()
    identity = _unpack_registers(cursor)
    setup = _unpack_registers(cursor)
    columns = tuple(struct.unpack(">BHBB", cursor.take(5)) for _ in range(cursor.byte()))
    return Meter(profile, profile_hash, unit, identity, setup, columns)


def _unpack_registers(cursor):
    registers = []
    for _ in range(cursor.byte()):
        function, address, length = struct.unpack(">BHB", cursor.take(4))
        registers.append((function, address, cursor.take(length)))
    return tuple(registers)


def _malformed(expected, found):
    return ReadingError(
        "context-malformed",
        "expected %d bytes, found %d; records up to the next context are skipped"
        % (expected, found),
    )


class _Cursor:
    def __init__(self, data):
        self.data = data
        self.offset = 0

    def take(self, length):
        end = self.offset + length
        if end > len(self.data):
            raise _malformed(end, len(self.data))
        taken = self.data[self.offset : end]
        self.offset = end
        return taken

    def byte(self):
        return self.take(1)[0]
