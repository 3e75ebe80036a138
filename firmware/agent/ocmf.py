"""OCMF records (Open Charge Metering Format 1.4.1, written as FV 1.3): text, numbers, signature.

Pure. A record is `OCMF|payload|signature`; the payload is ASCII on one line, every key once, every
reading with all its keys, numbers printed from integers, because verifiers hash the exact bytes
and some inherit nothing. Must never let a `|` or a non-ASCII character into a record, never print
a digit that the meter does not resolve, and never issue a page number itself (see `session_book`).
"""

import binascii
from collections import namedtuple

from .constant import const

# A reading as a record shows it. `sequence` is that of the sealed reading; `letter` what was known
# of the time; `mwh` the register in milliwatt-hours; `decimals` those of kWh that the meter has;
# `meter` which meter it was: CRC-32 of its serial number.
Mark = namedtuple("Mark", "sequence t_unix_ms letter mwh decimals meter")

MAX_LEN = const(880)  # fits a record of the journal
UNKNOWN, INFORMATIVE, SYNCHRONISED = "U", "I", "S"  # `R` is never issued: see docs/driver.md
OBIS_IMPORT = const("01-00:B0.08.00*FF")
_FLOAT_DECIMALS = const(3)
_KWH_EXPONENT = const(6)  # milliwatt-hours in a kilowatt-hour
_FRESH_MS = const(2000)  # an authenticated clock with a larger bound is only informative
_AUTHENTICATED = const((4, 5, 6))  # sources of WIRE_FORMAT.md section 5


def decimals(step_mwh, is_float):
    """Decimals of kWh that a register with this step resolves."""
    found = _KWH_EXPONENT
    while found and 10 ** (_KWH_EXPONENT - found) < step_mwh:
        found -= 1
    return min(found, _FLOAT_DECIMALS) if is_float else found


def shown_mwh(mwh, places):
    """What is left of a register when it is rounded half up to `places` decimals of kWh."""
    unit = 10 ** (_KWH_EXPONENT - places)
    return (mwh + unit // 2) // unit * unit


def kwh(mwh, places):
    """A register as a decimal number with exactly `places` decimals, rounded half up."""
    whole, rest = divmod(shown_mwh(mwh, places) // 10 ** (_KWH_EXPONENT - places), 10**places)
    digits = str(rest)
    return str(whole) + ("." + "0" * (places - len(digits)) + digits if places else "")


def letter(anchor, error_ms):
    """Sync letter for what the device knows of the time: U, I or S."""
    if anchor is None:
        return UNKNOWN
    good = anchor[3] in _AUTHENTICATED and error_ms <= _FRESH_MS
    return SYNCHRONISED if good else INFORMATIVE


def timestamp(t_unix_ms, sync):
    """`YYYY-MM-DDThh:mm:ss,mmm+0000 X`, by the Gregorian calendar, whatever the port's epoch."""
    seconds, ms = divmod(t_unix_ms, 1000)
    days, seconds = divmod(seconds, 86400)
    year, month, day = _civil(days)
    clock = (seconds // 3600, seconds // 60 % 60, seconds % 60, ms, sync)
    return "%04d-%02d-%02dT" % (year, month, day) + "%02d:%02d:%02d,%03d+0000 %s" % clock


def _civil(days):
    """Year, month, day of days since 1970-01-01; years begin in March inside."""
    days += 719468
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    month += 3 if month < 10 else -9
    return 400 * era + year + (1 if month <= 2 else 0), month, day + 1


def quoted(text):
    """A JSON string in ASCII; `|` is written as an escape."""
    out = ['"']
    for character in text:
        code = ord(character)
        if 32 <= code < 127 and character not in '"\\|':
            out.append(character)
        elif code < 0x10000:
            out.append("\\u%04x" % code)
        else:
            code -= 0x10000
            out.append("\\u%04x\\u%04x" % (0xD800 | code >> 10, 0xDC00 | code & 0x3FF))
    return "".join(out) + '"'


def reading(mark, tx=None, state="G"):
    """One item of RD; without `tx` that of a fiscal record."""
    place = '"TX":"%s",' % tx if tx else ""
    flags = "t" if mark.letter == UNKNOWN else ""
    return '{"TM":"%s",%s"RV":%s,"RI":"%s","RU":"kWh","RT":"AC","EF":"%s","ST":"%s"}' % (
        timestamp(mark.t_unix_ms, mark.letter),
        place,
        kwh(mark.mwh, mark.decimals),
        OBIS_IMPORT,
        flags,
        state,
    )


def failed(t_unix_ms, sync, state):
    """RD item of a reading that failed: no value, so it stands alone in its record."""
    flags = "Et" if sync == UNKNOWN else "E"
    return '{"TM":"%s","EF":"%s","ST":"%s"}' % (timestamp(t_unix_ms, sync), flags, state)


def payload(fields, readings):
    """The payload from (key, JSON text) pairs in order and items of RD."""
    head = ",".join(['"%s":%s' % field for field in fields])
    return '{%s,"RD":[%s]}' % (head, ",".join(readings))


def signed(text, signer):
    """The whole record over the payload `text`."""
    signature = der_hex(signer.sign_ocmf(text))
    return 'OCMF|%s|{"SA":"ECDSA-secp256r1-SHA256","SD":"%s"}' % (text, signature)


def der_hex(signature_64):
    """r || s as the hexadecimal of SEQUENCE{INTEGER, INTEGER}, both minimal (X.690 8.3)."""
    both = _integer(signature_64[:32]) + _integer(signature_64[32:])
    return binascii.hexlify(bytes((0x30, len(both))) + both).decode()


def _integer(raw):
    body = bytes(raw).lstrip(b"\x00") or b"\x00"
    if body[0] & 0x80:
        body = b"\x00" + body
    return bytes((2, len(body))) + body
