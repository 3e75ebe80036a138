"""Names for what can go wrong on the way to the collector. Pure.

MicroPython gives mbedTLS's words for a refused certificate as ValueError, and numbers as OSError;
CPython gives OpenSSL's. The code tells the technician what to look at.
"""

from agent.constant import const
from agent.errors import UploadError

_BY_WORDS = (
    ("validity has expired", "tls-expired"),
    ("starts in the future", "tls-not-yet-valid"),
    ("does not match", "tls-host-name"),
    ("not correctly signed", "tls-unknown-ca"),
    ("certificate has expired", "tls-expired"),
    ("not yet valid", "tls-not-yet-valid"),
    ("mismatch", "tls-host-name"),
    ("self-signed", "tls-unknown-ca"),
    ("self signed", "tls-unknown-ca"),
    ("unable to get local issuer", "tls-unknown-ca"),
)
_REMEDIES = {
    "tls-expired": "the certificate has expired by this board's clock: renew it",
    "tls-not-yet-valid": "the certificate is not yet valid by this board's clock",
    "tls-host-name": "the certificate is for another host name: correct uplink.url",
    "tls-unknown-ca": "the certificate is not of the authority in ca.der: copy the right one",
    "tls-failed": "no TLS with this server: it must offer TLS 1.2 with ECDHE and AES-GCM",
    "connect-failed": "no connection: is the network up, is uplink.url right?",
    "http-cut": "the connection ended in the middle",
}
# Refused, unreachable, no route, and names that do not resolve: numbers of Linux, lwIP and macOS.
_NOT_CONNECTED = (61, 64, 65, 101, 111, 113, 118, -2, -3, -6, -202)
_CUT = const(-29312)  # mbedTLS: the other end closed within the handshake
_TLS_NUMBERS = range(-32512, -8191)  # errors of mbedTLS, 0x7F00 and above, negated


def code_of(error, otherwise):
    """Stable code of an OSError, ValueError or EOFError from the network."""
    words = " ".join([str(part) for part in error.args]).lower()
    for phrase, code in _BY_WORDS:
        if phrase in words:
            return code
    number = error.args[0] if error.args else 0
    if number in _NOT_CONNECTED:
        return "connect-failed"
    if number == _CUT:
        return "http-cut"
    is_tls = isinstance(number, int) and number in _TLS_NUMBERS
    if is_tls or isinstance(error, ValueError) or "ssl" in words:
        return "tls-failed"
    return otherwise


def network_error(error, otherwise):
    """The UploadError for it; nothing was changed, the next try comes later."""
    code = code_of(error, otherwise)
    return UploadError(code, "%s (%s)" % (_REMEDIES.get(code, "network"), error), cause=str(error))
