"""When a certificate ends: the one field of X.509 that somebody has to be warned about.

Reads the DER by its lengths (RFC 5280, section 4.1) and checks nothing else: verifying is the TLS
library's work. Must never be used to decide whom to trust.
"""

from . import log
from .constant import const

EVENT_CERTIFICATE = 15
_WARN_S = const(5184000)
_SEQUENCE, _VERSION, _UTC_TIME = const(0x30), const(0xA0), const(0x17)
_DAYS = const((0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334))


def look(app, now_unix_s):
    """Warn of each authority of the uplink that ends within two months, or has ended."""
    uplink = app.config["uplink"]
    for slot, name in enumerate((uplink["ca_file"], uplink["ca_file_next"])):
        try:
            end_s = not_after_unix_s(app.board.read_file(name)) if name else None
        except (OSError, ValueError):
            continue  # the uplink says so
        if end_s is not None and end_s - now_unix_s < _WARN_S:
            log.warn("certificate", "ends soon", slot=slot, t_not_after_unix_s=end_s)
            app.recorder.event(EVENT_CERTIFICATE, [slot, max(end_s, 0)])


def not_after_unix_s(der):
    """Unix seconds of the end of validity; ValueError if this is no certificate."""
    try:
        at = _enter(der, _enter(der, 0))
        if der[at] == _VERSION:
            at = _skip(der, at)
        for _ in range(3):  # serial number, signature algorithm, issuer
            at = _skip(der, at)
        at = _skip(der, _enter(der, at))  # notBefore
        end = _skip(der, at)
        return _unix_s(der[at] == _UTC_TIME, bytes(der[at + 2 : end]).decode())
    except IndexError:
        raise ValueError("expected a certificate in DER, found less")


def _length(der, at):
    """(length of the content, where it begins)."""
    first = der[at + 1]
    if first < 0x80:
        return first, at + 2
    count = first & 0x7F
    return int.from_bytes(der[at + 2 : at + 2 + count], "big"), at + 2 + count


def _enter(der, at):
    if der[at] != _SEQUENCE:
        raise ValueError("expected a certificate in DER")
    return _length(der, at)[1]


def _skip(der, at):
    length, begin = _length(der, at)
    return begin + length


def _unix_s(short, text):
    """YYMMDDHHMMSSZ until 2049, YYYYMMDDHHMMSSZ from then on."""
    if short:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    year, month, day, hour, minute, second = [int(text[:4])] + [
        int(text[i : i + 2]) for i in (4, 6, 8, 10, 12)
    ]
    leap = month > 2 and ((year % 4 == 0 and year % 100 != 0) or year % 400 == 0)
    before = year - 1
    days = 365 * (year - 1970) + before // 4 - before // 100 + before // 400 - 477
    days += _DAYS[month - 1] + leap + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second
