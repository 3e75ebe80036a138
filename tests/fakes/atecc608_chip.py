"""An ATECC608 on an I2C bus, on simulated time: framing, CRC, sleep, watchdog, locks, slots.

Written from the data sheet, not from the driver. Whatever the driver does that the chip would not
take is counted in `violations`. `fault(command, n)` may name what goes wrong with the n-th answer.
"""

from agent import p256

SLEEPS_AFTER_US = 1300000
WAKE_LOW_US = 60
WAKE_DELAY_US = 1500
TAKES_US = {0x02: 1000, 0x40: 95000, 0x16: 800, 0x41: 65000, 0x30: 500}
EXECUTION_ERROR, PARSE_ERROR, CRC_ERROR, AFTER_WAKE = 0x0F, 0x03, 0xFF, 0x11


def crc(data):
    """Bit by bit, with the register's bits reversed: another way than the driver's."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    swapped = 0
    for bit in range(16):
        swapped |= (register >> bit & 1) << (15 - bit)
    return bytes((swapped & 0xFF, swapped >> 8))


class Chip:
    """The chip; `i2c` is the bus at which it hangs. Time passes by transfers and `sleep_ms`."""

    def __init__(self, serial=b"\x01\x23\x45\x67\x89\xab\xcd\xef\xee", address=0x60, seed=7):
        self.serial = serial
        self.address = address
        self.config_locked = self.data_locked = True
        self.locked_slots = set()
        self.keys = {}
        self.absent = False
        self.fault = lambda opcode, n: None
        self.now_us = 0
        self.commands = []  # opcodes that were carried out
        self.violations = []
        self.awake_us = 0  # longest time awake
        self._seed = seed
        self._woken_us = None  # None: asleep
        self._ready_us = 0
        self._answer = None
        self._temp_key = None
        self._answers = 0

    # -- the bus, with the interface of machine.I2C

    def writeto(self, address, data):
        """At 100 kHz: 90 us a byte."""
        low_us = 80 if not address else 0
        self.now_us += 90 * (1 + len(data))
        self._watch()
        if not address:
            if low_us >= WAKE_LOW_US and self._woken_us is None and not self.absent:
                self._woken_us = self.now_us
                self._ready_us = self.now_us + WAKE_DELAY_US
                self._answer = self._spoiled(0, b"\x04\x11" + crc(b"\x04\x11"))
            raise OSError(19)  # nobody has address 0
        if not self._listens(address):
            raise OSError(19)
        self._take(bytes(data))

    def readfrom(self, address, length):
        """What the chip has to say; 0xff behind it, as an idle bus reads."""
        self.now_us += 90 * (1 + length)
        self._watch()
        if not self._listens(address) or self._answer is None:
            raise OSError(19)
        answer, self._answer = self._answer, None
        return (answer + b"\xff" * length)[:length]

    def sleep_ms(self, ms):
        """The processor waits."""
        self.now_us += 1000 * ms
        self._watch()

    # -- the chip

    def _watch(self):
        if self._woken_us is not None and self.now_us - self._woken_us > SLEEPS_AFTER_US:
            self.violations.append("fell asleep by itself")
            self._sleep()

    def _listens(self, address):
        asleep = self._woken_us is None
        return address == self.address and not asleep and not self.absent and self._idle()

    def _idle(self):
        return self._ready_us is not None and self.now_us >= self._ready_us

    def _sleep(self):
        if self._woken_us is not None:
            self.awake_us = max(self.awake_us, self.now_us - self._woken_us)
        self._woken_us = self._answer = self._temp_key = None
        self._ready_us = 0

    def _take(self, data):
        if data[:1] == b"\x01":
            self._sleep()
        elif data[:1] == b"\x03":
            self._command(data[1:])
        else:
            self.violations.append("word address %r" % data[:1])

    def _command(self, packet):
        if len(packet) < 7 or packet[0] != len(packet) or crc(packet[:-2]) != packet[-2:]:
            self.violations.append("packet %r" % packet)
            answer, opcode = bytes((CRC_ERROR,)), 0x30
        else:
            opcode = packet[1]
            p2 = packet[3] | packet[4] << 8
            answer = self._carry_out(opcode, packet[2], p2, packet[5:-2])
            self.commands.append(opcode)
        framed = bytes((len(answer) + 3,)) + answer
        self._answers += 1
        self._ready_us = self.now_us + TAKES_US[opcode]
        self._answer = self._spoiled(opcode, framed + crc(framed))

    def _spoiled(self, opcode, answer):
        fault = self.fault(opcode, self._answers)
        if fault == "silent":
            self._ready_us = self.now_us + 10 * SLEEPS_AFTER_US
        elif fault == "crc":
            return answer[:-1] + bytes((answer[-1] ^ 4,))
        elif fault == "bit":
            return answer[:1] + bytes((answer[1] ^ 1,)) + answer[2:]
        elif fault == "length":
            return bytes((answer[0] ^ 0x50,)) + answer[1:]
        elif isinstance(fault, int):
            framed = bytes((4, fault))
            return framed + crc(framed)
        return answer

    def _carry_out(self, opcode, p1, p2, data):
        known = {0x02: self._read, 0x40: self._genkey, 0x16: self._nonce, 0x41: self._sign}
        if opcode not in known:
            return bytes((PARSE_ERROR,))
        answer = known[opcode](p1, p2, data)
        return bytes((answer,)) if isinstance(answer, int) else answer

    def _read(self, p1, p2, data):
        if p1 != 0x80 or p2 & 7 or p2 >> 3 > 3 or data:
            return PARSE_ERROR
        return self.zone()[(p2 >> 3) * 32 : (p2 >> 3) * 32 + 32]

    def zone(self):
        """The configuration zone."""
        zone = bytearray(128)
        zone[:4], zone[4:8], zone[8:13] = self.serial[:4], b"\x00\x00\x60\x03", self.serial[4:]
        zone[86] = 0 if self.data_locked else 0x55
        zone[87] = 0 if self.config_locked else 0x55
        slots = 0xFFFF
        for slot in self.locked_slots:
            slots &= ~(1 << slot)
        zone[88:90] = bytes((slots & 0xFF, slots >> 8))
        return bytes(zone)

    def _genkey(self, p1, slot, data):
        if p1 not in (0, 4) or data or slot > 15:
            return PARSE_ERROR
        if not self.config_locked or (p1 == 4 and slot in self.locked_slots):
            return EXECUTION_ERROR
        if p1 == 4:
            self._seed += 1
            self.keys[slot] = bytes((self._seed,)) * 32
        if slot not in self.keys:
            return EXECUTION_ERROR
        return p256.public_key(self.keys[slot])[1:]

    def _nonce(self, p1, p2, data):
        if p1 != 3 or p2 or len(data) != 32:
            return PARSE_ERROR
        self._temp_key = data
        return 0

    def _sign(self, p1, slot, data):
        if p1 != 0x80 or data:
            return PARSE_ERROR
        if slot not in self.keys or self._temp_key is None or not self.data_locked:
            return EXECUTION_ERROR
        r, s = p256.sign_raw(self.keys[slot], self._temp_key)
        self._temp_key = None
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
