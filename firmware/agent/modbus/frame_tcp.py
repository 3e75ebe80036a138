"""Modbus TCP frames as pure functions: the MBAP header around the PDU of `frame`.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3. The length field is
what says where a reply ends: a partial frame is never looked into. Transaction ids have 16 bits.
"""

from ..constant import const
from ..errors import ModbusMalformed
from .frame import check_request, exception_of, read_pdu

HEADER_LEN = 6  # transaction, protocol, length; the unit id counts as part of the body
TCP_UNITS = (0, 255)  # a meter with a network port of its own often wants 0 or 255
_MIN_BODY = const(3)
_MAX_BODY = const(254)


def next_transaction(transaction):
    """The id after `transaction`; wraps at 16 bits."""
    return (transaction + 1) & 0xFFFF


def tcp_request(transaction, unit, function, address, count):
    """Request with MBAP header."""
    check_request(unit, function, address, count, TCP_UNITS)
    return bytes((transaction >> 8, transaction & 0xFF, 0, 0, 0, 6, unit)) + read_pdu(
        function, address, count
    )


def take_frame(buf):
    """(transaction, body) of the first whole frame in `buf`, which is removed from it; None if not
    whole yet.

    Raises ModbusMalformed if this cannot be Modbus TCP: the stream has to be opened anew.
    """
    check_header(buf)
    if len(buf) < HEADER_LEN:
        return None
    length = buf[4] << 8 | buf[5]
    if len(buf) < HEADER_LEN + length:
        return None
    transaction, body = buf[0] << 8 | buf[1], bytes(buf[HEADER_LEN : HEADER_LEN + length])
    buf[: HEADER_LEN + length] = b""
    return transaction, body


def check_rest(buf):
    """Refuse what stands behind our reply if it is no frame's beginning: then the reply was cut
    short and filled up with the bytes of a late one.
    """
    if 0 < len(buf) < HEADER_LEN:
        raise _no_frame()
    check_header(buf)


def check_header(buf):
    """Refuse what cannot be the beginning of a frame, as far as it is there."""
    if any(buf[2:4]) or (len(buf) > 4 and buf[4]):
        length = -1
    else:
        length = buf[5] if len(buf) >= HEADER_LEN else _MIN_BODY
    if not _MIN_BODY <= length <= _MAX_BODY:
        raise _no_frame()


def _no_frame():
    return ModbusMalformed(
        "modbus-malformed",
        "expected a header with protocol 0 and length %d to %d, found other bytes"
        % (_MIN_BODY, _MAX_BODY),
    )


def words_of(body, unit, function, count):
    """The words of a reply body (unit, function, byte count, words); ModbusException,
    ModbusMalformed.
    """
    if body[0] == unit and body[1] == function | 0x80 and len(body) == 3:
        raise exception_of(unit, function, body[2])
    expected = bytes((unit, function, 2 * count))
    if body[:3] != expected or len(body) != 3 + 2 * count:
        raise ModbusMalformed(
            "modbus-malformed",
            "unit %d: expected function %d with %d bytes, found unit %d, function %d, %d bytes"
            % (unit, function, 2 * count, body[0], body[1], len(body) - 3),
            unit=unit,
        )
    return body[3:]
