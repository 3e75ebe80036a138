"""Modbus frames of function codes 3 and 4, as pure functions: build a request, find the reply.

Sources: MODBUS Application Protocol V1.1b3 (sections 4.1, 6.3, 6.4, 7), MODBUS over Serial Line
V1.02 (sections 2.5.1, 6.2). An RTU reply does not say which address it belongs to; what tells it
from another one is unit, function, byte count and CRC, so all four are checked, always.
Must never yield words of a frame that is not complete or whose CRC does not match.
"""

from array import array

from ..constant import const
from ..errors import (
    ModbusCrcError,
    ModbusException,
    ModbusMalformed,
    ModbusRequestError,
    ModbusTimeout,
)

HOLDING, INPUT = 3, 4
REQUEST_LEN = 8
REPLY_OVERHEAD = 5  # unit, function, byte count, CRC
EXCEPTION_LEN = 5
MAX_REGISTERS = 125
SERIAL_UNITS = (1, 247)  # 0 is a broadcast, which nobody answers; 248 to 255 are reserved
_ERROR_BIT = const(0x80)


def _crc_table():
    table = array("H")
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()
del _crc_table


def crc16(data):
    """CRC of the serial line: polynomial 0xA001 reflected, start 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    table = _CRC_TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def with_crc(data):
    """`data` followed by its CRC."""
    crc = crc16(data)
    return bytes(data) + bytes((crc & 0xFF, crc >> 8))


def crc_matches(frame):
    """True if the last two bytes are the CRC of those before: then the CRC over all of it is 0."""
    return len(frame) > 2 and crc16(frame) == 0


def check_request(unit, function, address, count, units=SERIAL_UNITS):
    """Refuse what no meter may be asked: ModbusRequestError `modbus-request`."""
    good = units[0] <= unit <= units[1] and function in (HOLDING, INPUT)
    if good and 1 <= count <= MAX_REGISTERS and 0 <= address <= 0x10000 - count:
        return
    raise ModbusRequestError(
        "modbus-request",
        "expected what a meter answers, found unit %d, function %d, address %d, count %d;"
        " correct the profile or the configuration" % (unit, function, address, count),
    )


def read_pdu(function, address, count):
    """The five bytes that ask for `count` registers from `address`."""
    return bytes((function, address >> 8, address & 0xFF, count >> 8, count & 0xFF))


def read_request(unit, function, address, count):
    """Request of the serial line, with CRC."""
    check_request(unit, function, address, count)
    return with_crc(bytes((unit,)) + read_pdu(function, address, count))


def expected_len(start):
    """Length of the RTU reply that begins with `start`; 0: not known yet or no read reply."""
    if len(start) < 2:
        return 0
    if start[1] & _ERROR_BIT:
        return EXCEPTION_LEN
    if start[1] not in (HOLDING, INPUT) or len(start) < 3:
        return 0
    return REPLY_OVERHEAD + start[2]


def find_reply(buf, unit, function, count):
    """(words, missing): the words once the whole reply is in `buf`, else None and how many bytes
    lack at least.

    Bytes before the reply are skipped, so that noise on the line does not cost the answer.
    Raises ModbusException if it is the unit's refusal.
    """
    size = REPLY_OVERHEAD + 2 * count
    missing = size
    for start in range(len(buf)):
        if buf[start] != unit:
            continue
        lacks = _lacks(buf, start, function, 2 * count)
        if lacks > 0:
            missing = min(missing, lacks)
        elif lacks == 0:
            end = start + expected_len(buf[start : start + 3])
            if crc_matches(buf[start:end]):
                return _accept(buf[start:end], unit, function), 0
    return None, missing


def _lacks(buf, start, function, byte_count):
    """Bytes that a reply which begins at `start` still lacks; -1 if none begins there."""
    have = len(buf) - start
    if have < 2:
        return EXCEPTION_LEN - have
    if buf[start + 1] == function | _ERROR_BIT:
        return max(0, EXCEPTION_LEN - have)
    if buf[start + 1] != function:
        return -1
    if have < 3:
        return REPLY_OVERHEAD + byte_count - have
    if buf[start + 2] != byte_count:
        return -1
    return max(0, REPLY_OVERHEAD + byte_count - have)


def _accept(frame, unit, function):
    if frame[1] == function:
        return bytes(frame[3:-2])
    raise exception_of(unit, function, frame[2])


def exception_of(unit, function, code):
    """The error for exception `code` (1 to 127) of a unit; any other code is malformed."""
    if not 1 <= code <= 127:
        return ModbusMalformed(
            "modbus-malformed",
            "unit %d: expected an exception code of 1 to 127, found %d" % (unit, code),
            unit=unit,
        )
    # V1.1b3, section 7: 2 no such address, 3 too many registers
    hint = ": check the profile" if code in (1, 2, 3) else ""
    return ModbusException(
        "modbus-exception",
        "unit %d refused function %d with exception %d%s" % (unit, function, code, hint),
        unit=unit,
        exception=code,
    )


def foreign_frame(buf):
    """(length, unit, function, registers) of the whole valid read reply that `buf` begins with, or
    None.

    Asked only when `find_reply` found nothing: it is the late reply to an earlier request or
    another unit's. `registers` is 0 for an exception.
    """
    size = expected_len(buf)
    if not size or len(buf) < size or not crc_matches(buf[:size]):
        return None
    registers = 0 if buf[1] & _ERROR_BIT else buf[2] // 2
    return size, buf[0], buf[1] & 0x7F, registers


def begun(buf, unit, function, count):
    """True if the beginning of the reply is in `buf`: it came, however damaged."""
    return bytes(buf).find(bytes((unit, function, 2 * count))) >= 0


def diagnose(buf, unit, function, count):
    """The error that says what was wrong with the bytes received instead of a reply."""
    if not buf:
        return ModbusTimeout(
            "modbus-timeout",
            "unit %d: expected an answer, found none; check power, wiring, unit id, speed, parity"
            % unit,
            unit=unit,
        )
    if len(buf) >= REPLY_OVERHEAD + 2 * count:
        return ModbusCrcError(
            "modbus-crc",
            "unit %d: no frame in %d bytes has a matching CRC; check termination and wiring"
            % (unit, len(buf)),
            unit=unit,
        )
    return ModbusMalformed(
        "modbus-malformed",
        "unit %d: expected %d bytes of function %d, found %d other bytes; check unit id, wiring"
        % (unit, REPLY_OVERHEAD + 2 * count, function, len(buf)),
        unit=unit,
    )
