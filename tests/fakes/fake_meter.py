"""A Modbus meter for the simulated line, and the faults that its answers can suffer.

Written from the Modbus documents, not from the device code: its CRC is the bitwise one. A fault
forges a valid CRC only where a real fault would (an answer of another unit, an earlier answer);
random damage is at most 16 bits in a row, which a CRC-16 always detects. Damage that happens to
forge a valid CRC cannot be told by any master.
"""

FAULTS = (
    "silence",
    "late",
    "truncated",
    "crc",
    "wrong_address",
    "wrong_function",
    "wrong_length",
    "noise_before",
    "noise_after",
    "exception",
    "previous",
    "twice",
    "pause_inside",
    "busy_loop",
)


def crc(data):
    """CRC-16 of the serial line, bit by bit (MODBUS over Serial Line V1.02, 6.2.2), low byte
    first.
    """
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return bytes((value & 0xFF, value >> 8))


class Dice:
    """Small random generator with one sequence on both interpreters (a 32-bit LCG)."""

    def __init__(self, seed=1):
        self._state = seed & 0xFFFFFFFF

    def below(self, n):
        """0 to n - 1."""
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._state >> 8) % n

    def bytes(self, n):
        """`n` random bytes."""
        return bytes([self.below(256) for _ in range(n)])


class FakeMeter:
    """Answers function 3 and 4 from `registers`: {(function, address): value of 16 bits}, or a
    function of them.
    """

    def __init__(self, unit, registers, line, turnaround_us=20000, most=125):
        self.unit = unit
        self.registers = registers
        self.line = line
        self.turnaround_us = turnaround_us
        self.most = most
        self.asked = []  # (function, address, count)
        self.previous = None
        self.answers = []  # given instead of the true ones, in order

    def hear(self, request, line):
        """[(delay_us, bytes)] that this meter puts on the line after a request."""
        if line.key() != self.line.key() or not self._for_me(request):
            return []
        return [(self.turnaround_us, self.answer(request))]

    def answer(self, request):
        """The undisturbed answer."""
        if self.answers:
            return self.answers.pop(0)
        pdu = self.answer_pdu(request[1:-2])
        return self.frame(pdu)

    def answer_pdu(self, pdu):
        """Answer to function, address, count."""
        function = pdu[0]
        address, count = pdu[1] << 8 | pdu[2], pdu[3] << 8 | pdu[4]
        self.asked.append((function, address, count))
        if function not in (3, 4):
            return bytes((function | 0x80, 1))
        if not 1 <= count <= self.most:
            return bytes((function | 0x80, 3))
        words = b""
        for i in range(count):
            value = self.registers.get((function, address + i))
            if value is None:
                return bytes((function | 0x80, 2))
            words += bytes((value >> 8, value & 0xFF))
        return bytes((function, len(words))) + words

    def frame(self, pdu, unit=None):
        """`pdu` as this unit sends it."""
        body = bytes((self.unit if unit is None else unit,)) + pdu
        return body + crc(body)

    def _for_me(self, request):
        return len(request) == 8 and request[0] == self.unit and crc(request[:-2]) == request[-2:]


class FaultyMeter(FakeMeter):
    """`next_fault()` gives the name of the fault for this answer, or None."""

    def __init__(
        self, unit, registers, line, dice, next_fault, turnaround_us=20000, late_us=1200000
    ):
        super().__init__(unit, registers, line, turnaround_us)
        self.dice = dice
        self.next_fault = next_fault
        self.late_us = late_us
        self.counts = {}

    def hear(self, request, line):
        if line.key() != self.line.key() or not self._for_me(request):
            return []
        frame = self.answer(request)
        fault = self.next_fault()
        self.counts[fault] = self.counts.get(fault, 0) + 1
        out = [(self.turnaround_us, frame)]
        if fault is not None:
            out = getattr(self, "_" + fault)(frame, line)
        self.previous = frame
        return out

    def _silence(self, frame, line):
        return []

    def _late(self, frame, line):
        return [(self.late_us + 1000 * self.dice.below(700), frame)]

    def _truncated(self, frame, line):
        return [(self.turnaround_us, frame[: self.dice.below(len(frame))])]

    def _crc(self, frame, line):
        """A burst of 1 to 16 damaged bits."""
        at = self.dice.below(8 * len(frame) - 16)
        burst = 1 | self.dice.below(1 << 16)
        number = int.from_bytes(frame, "big") ^ (burst << at)
        return [(self.turnaround_us, number.to_bytes(len(frame), "big"))]

    def _wrong_address(self, frame, line):
        other = 1 + (self.unit + self.dice.below(245)) % 247
        return [(self.turnaround_us, self.frame(frame[1:-2], other))]

    def _wrong_function(self, frame, line):
        pdu = bytes((7 - (frame[1] & 7),)) + frame[2:-2]
        return [(self.turnaround_us, self.frame(pdu))]

    def _wrong_length(self, frame, line):
        """One register too few, everything else right."""
        pdu = bytes((frame[1], frame[2] - 2)) + frame[3:-4]
        return [(self.turnaround_us, self.frame(pdu))]

    def _noise_before(self, frame, line):
        noise = self.dice.bytes(1 + self.dice.below(12))
        return [(self.turnaround_us - 15000, noise), (self.turnaround_us, frame)]

    def _noise_after(self, frame, line):
        noise = self.dice.bytes(1 + self.dice.below(12))
        return [(self.turnaround_us, frame + noise)]

    def _exception(self, frame, line):
        return [
            (self.turnaround_us, self.frame(bytes((frame[1] | 0x80, 1 + self.dice.below(11)))))
        ]

    def _previous(self, frame, line):
        """The answer to the request before comes again instead of the one asked for."""
        return [(self.turnaround_us, self.previous or frame)]

    def _twice(self, frame, line):
        """A copy follows within 80 ms."""
        end_us = self.turnaround_us + len(frame) * line.char_us
        return [(self.turnaround_us, frame), (end_us + 1000 * self.dice.below(80), frame)]

    def _pause_inside(self, frame, line):
        cut = 1 + self.dice.below(len(frame) - 1)
        start = self.turnaround_us
        rest = start + cut * line.char_us + 1000 * self.dice.below(120)
        return [(start, frame[:cut]), (rest, frame[cut:])]

    def _busy_loop(self, frame, line):
        """Nothing wrong on the line; the test holds the processor."""
        return [(self.turnaround_us, frame)]
