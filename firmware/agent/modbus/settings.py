"""What the bus has to know about its line and about each unit on it: speeds, times, limits.

Source of the times: MODBUS over Serial Line V1.02, section 2.5.1.1 (3.5 characters of quiet,
1.75 ms fixed above 19200 bit/s). Must never hold a limit of zero where zero means for ever.
"""

from collections import namedtuple

from agent.constant import const

_FIXED_QUIET_ABOVE_BAUD = const(19200)
_FIXED_QUIET_US = const(1750)
_PARITY_UART = {"N": None, "E": 0, "O": 1}  # as machine.UART counts


class Line:
    """Speed and character format: `baud`, `parity` N, E or O, `stop_bits`; 8 data bits always."""

    def __init__(self, baud=9600, parity="N", stop_bits=1):
        self.baud = baud
        self.parity = parity
        self.stop_bits = stop_bits
        bits = 1 + 8 + (parity != "N") + stop_bits
        self.char_us = (bits * 1000000 + baud - 1) // baud
        self.quiet_us = (
            _FIXED_QUIET_US if baud > _FIXED_QUIET_ABOVE_BAUD else (self.char_us * 7 + 1) // 2
        )

    def key(self):
        """What two equal lines have in common."""
        return self.baud, self.parity, self.stop_bits

    def apply(self, uart):
        """Set the UART to this line."""
        uart.init(
            baudrate=self.baud, bits=8, parity=_PARITY_UART[self.parity], stop=self.stop_bits
        )


# first_byte_ms: no first byte of the answer after this long: no answer.
# gap_ms: silence inside an answer that ends it (ports deliver bytes in lumps, so far above 1.5
# characters).
# retries: further attempts after the first. pause_ms: before each of them.
# late_ms: how long an answer that was given up may still come; until then it must not be taken for
# another one.
# repeat_ms: how long a second copy of an answer that was taken may still come (gateways).
# busy_ms: longest wait for a quiet line. min_interval_ms: from request to request of this unit.
Limits = namedtuple(
    "Limits", "first_byte_ms gap_ms retries pause_ms late_ms repeat_ms busy_ms min_interval_ms"
)


def limits(
    first_byte_ms=1000,
    gap_ms=50,
    retries=2,
    pause_ms=20,
    late_ms=1000,
    repeat_ms=100,
    busy_ms=500,
    min_interval_ms=0,
):
    """Limits with defaults."""
    return Limits(
        first_byte_ms, gap_ms, retries, pause_ms, late_ms, repeat_ms, busy_ms, min_interval_ms
    )


def frame_ms(line, size):
    """Milliseconds that `size` characters take on the wire, rounded up."""
    return (size * line.char_us + 999) // 1000
