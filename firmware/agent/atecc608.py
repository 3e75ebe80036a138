"""ATECC608 secure element on I2C: wake, command, answer; and the signer of a key inside it.

Each exchange wakes the chip, sends one or more commands, and puts it to sleep again, well within
the 1.3 s after which it falls asleep by itself and forgets. While it works it does not acknowledge
its address: the answer is asked for until it does, never for longer than the command may take. The
frames, times and status codes are those of Microchip's ATECC608A data sheet (sections 7, 9, 11).
Must never lock a zone (that cannot be undone), never wait without an end, and never hand out a
signature of another chip than the one that was enrolled.
"""

import binascii
import hashlib

from agent.constant import const
from agent.errors import ElementError
from agent.p256_field import N
from agent.signer import KEY_CLASS_SECURE_ELEMENT, Signer, kid_of

NAME = "element"  # blob of the state store: slot, serial number, public key

_WAKE_MS = const(2)  # tWHI is 1.5 ms
_POLL_MS = const(2)
_TRIES = const(3)
_COMMAND, _SLEEP = const(b"\x03"), const(b"\x01")  # word addresses
_AWAKE = const(b"\x04\x11\x33\x43")
_READ, _GENKEY, _NONCE, _SIGN = const(0x02), const(0x40), const(0x16), const(0x41)
_MOST_MS = {_READ: 20, _GENKEY: 250, _NONCE: 40, _SIGN: 250}  # twice what the chip may take
_WATCHDOG = const(0xEE)
_BAD_CRC = const(0xFF)
_LOCKED = const(0)
_RECORD_LEN = const(75)


def crc16(data):
    """CRC-16 with polynomial 0x8005, bits of each byte from the lowest; little-endian bytes."""
    crc = 0
    for byte in data:
        for bit in range(8):
            crc = (crc << 1 ^ (0x8005 if (crc >> 15 ^ byte >> bit) & 1 else 0)) & 0xFFFF
    return bytes((crc & 0xFF, crc >> 8))


class Atecc608:
    """`i2c` has the interface of machine.I2C, at 100 kHz or less: the wake pulse needs it."""

    def __init__(self, i2c, sleep_ms, address=0x60):
        self._i2c = i2c
        self._sleep_ms = sleep_ms
        self._address = address

    def configuration(self):
        """The 128 bytes of the configuration zone."""
        return b"".join(self._exchange([(_READ, 0x80, block << 3, b"", 32) for block in range(4)]))

    def serial(self):
        """The nine bytes of the serial number."""
        first = self._exchange([(_READ, 0x80, 0, b"", 32)])[0]
        return first[:4] + first[8:13]

    def check_locked(self):
        """ElementError `element-unlocked` unless both zones are locked: keys could be read."""
        zone = self.configuration()
        if zone[86] != _LOCKED or zone[87] != _LOCKED:
            raise ElementError(
                "element-unlocked",
                "expected a chip with configuration and data zone locked, found bytes %02x %02x;"
                " configure and lock it first" % (zone[86], zone[87]),
            )

    def make_key(self, slot):
        """Make a new private key in a slot, which never leaves it; its public key, 65 bytes."""
        return b"\x04" + self._exchange([(_GENKEY, 0x04, slot, b"", 64)])[0]

    def public_key(self, slot):
        """The public key of the private key in a slot."""
        return b"\x04" + self._exchange([(_GENKEY, 0x00, slot, b"", 64)])[0]

    def sign(self, slot, digest_32):
        """r || s of a digest, s made low as the wire format wants it."""
        steps = [(_NONCE, 0x03, 0, digest_32, 1), (_SIGN, 0x80, slot, b"", 64)]
        found = self._exchange(steps)[1]
        r, s = int.from_bytes(found[:32], "big"), int.from_bytes(found[32:], "big")
        if not 0 < r < N or not 0 < s < N:
            raise ElementError("element-signature", "expected r and s from 1 to n-1, found others")
        return found[:32] + min(s, N - s).to_bytes(32, "big")

    def _exchange(self, steps):
        """The answers to commands that belong together; all of them again after a fault."""
        first = None
        for _ in range(_TRIES):
            try:
                self._wake()
                return [self._command(*step) for step in steps]
            except ElementError as error:
                first = first or error
                if not error.fields.get("again"):
                    break
            finally:
                self._send(_SLEEP)
        raise first

    def _wake(self):
        """SDA low for 60 us and more: address 0 at 100 kHz, which nobody acknowledges."""
        try:
            self._i2c.writeto(0, b"\x00")
        except OSError:
            pass
        self._sleep_ms(_WAKE_MS)
        answer = self._receive(4)
        if answer is None:
            raise _fault("element-absent", "a chip at address %d" % self._address, "none")
        if answer != _AWAKE:
            raise _fault("element-wake", "the answer to a wake pulse", "another")

    def _command(self, opcode, p1, p2, data, length):
        """Send one command and return its answer of `length` bytes; 1: success, nothing more."""
        packet = bytes((7 + len(data), opcode, p1, p2 & 0xFF, p2 >> 8)) + data
        if not self._send(_COMMAND + packet + crc16(packet)):
            raise _fault("element-absent", "a chip that takes command %02x" % opcode, "none")
        answer = self._wait(length + 3, _MOST_MS[opcode])
        if answer is None:
            raise _fault("element-silent", "an answer to command %02x" % opcode, "none")
        count = answer[0]
        if not 4 <= count <= length + 3 or answer[count - 2 : count] != crc16(answer[: count - 2]):
            raise _fault("element-crc", "an answer of %d bytes with its CRC" % length, "another")
        if count == 4 and (length != 1 or answer[1]):
            raise _refused(opcode, answer[1])
        if count != length + 3:
            raise _fault("element-crc", "an answer of %d bytes" % length, "%d" % (count - 3))
        return answer[1:-2]

    def _wait(self, length, most_ms):
        for _ in range(0, most_ms, _POLL_MS):
            self._sleep_ms(_POLL_MS)
            answer = self._receive(length)
            if answer is not None:
                return answer
        return None

    def _send(self, data):
        try:
            self._i2c.writeto(self._address, data)
        except OSError:
            return False
        return True

    def _receive(self, length):
        try:
            return bytes(self._i2c.readfrom(self._address, length))
        except OSError:
            return None


def _fault(code, expected, found):
    """What another try may mend."""
    text = "expected %s, found %s; nothing was signed, look at chip and wiring" % (expected, found)
    return ElementError(code, text, again=True)


def _refused(opcode, status):
    """The chip's own status; 0x0f is an execution error: a lock or a slot's configuration."""
    return ElementError(
        "element-status",
        "expected success of command %02x, found status %02x; is the slot right?"
        % (opcode, status),
        again=status in (_WATCHDOG, _BAD_CRC),
        status=status,
    )


class ElementSigner(Signer):
    """The signer of an enrolled key; `chip` is asked only when there is something to sign."""

    def __init__(self, chip, record):
        self._chip = chip
        self._slot = record[0]
        self._serial = record[1:10]
        self._known = False  # in this boot
        self.key_class = KEY_CLASS_SECURE_ELEMENT
        self.public_65 = record[10:]
        self.kid_8 = kid_of(self.public_65)

    def _sign(self, digest_32):
        if self._chip is None:
            raise ElementError("element-absent", "expected secure_element in config.json; set it")
        if not self._known:
            found = self._chip.serial(), self._chip.public_key(self._slot)
            if found != (self._serial, self.public_65):
                raise ElementError(
                    "element-key",
                    "expected the chip that was enrolled, found another: enrol this board anew",
                )
            self._known = True
        return self._chip.sign(self._slot, digest_32)


def find(i2c, sleep_ms, address):
    """{"serial"} of a chip that can be used, {"code", "text"} of one that cannot; or None."""
    chip = Atecc608(i2c, sleep_ms, address)
    try:
        chip.check_locked()
        return {"serial": binascii.hexlify(chip.serial()).decode()}
    except ElementError as error:
        if error.code == "element-absent":
            return None
        return {"code": error.code, "text": error.text}


def make_record(chip, slot=0):
    """Make the key of this board inside the chip: what the store keeps of it, under NAME."""
    chip.check_locked()
    return bytes((slot,)) + chip.serial() + chip.make_key(slot)


def load_signer(store, digest_32, chip):
    """The signer of the record that `digest_32` names; ElementError `element-record`."""
    record = store.get(NAME) or b""
    if len(record) != _RECORD_LEN or hashlib.sha256(record).digest() != digest_32:
        raise ElementError("element-record", "expected the record of the chip's key, found none")
    return ElementSigner(chip, record)
