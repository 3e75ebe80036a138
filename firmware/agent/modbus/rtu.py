"""Modbus RTU master over a UART with the interface of machine.UART (`read write any flush init`).

Quiet time before each request: MODBUS over Serial Line V1.02, section 2.5.1.1. RS-485 drivers that
need a direction pin get it raised and dropped around `uart.flush()` with no other task in between:
a driver that stays on talks over the answer.
"""

from ..errors import ModbusBusError
from .rtu_core import RtuCore
from .settings import frame_ms


class RtuClient(RtuCore):
    """`de_pin(1)` enables the driver. Our own echo, if this wiring has one, is left out."""

    def __init__(self, uart, de_pin=None, timing=None, line=None, lim=None):
        super().__init__(timing, line, lim)
        self._uart = uart
        self._de_pin = de_pin
        self._line_key = None
        self._active_ms = self.timing.ms()
        self._active_us = self.timing.us()

    async def _prepare(self, known):
        """Set the line, drop stale bytes, wait until the line was quiet for 3.5 characters."""
        line = known.line
        if line.key() != self._line_key:
            line.apply(self._uart)
            self._line_key = line.key()
            self._touch()
        start = self.timing.ms()
        while True:
            self._drain(bytearray())
            left_us = line.quiet_us - self._quiet_us()
            if left_us <= 0:
                return
            if self.timing.since_ms(start) >= known.limits.busy_ms:
                raise ModbusBusError(
                    "modbus-bus",
                    "expected a quiet line within %d ms, found it busy; check wiring and bias"
                    % known.limits.busy_ms,
                )
            await self.timing.sleep_ms((left_us + 999) // 1000)

    async def _send(self, request):
        """No await between raising and dropping the driver enable."""
        try:
            if self._de_pin:
                self._de_pin(1)
            written = self._uart.write(request)
            self._uart.flush()
        except OSError as error:
            raise ModbusBusError(
                "modbus-bus", "expected to write to the UART, found %s; check the adapter" % error
            )
        finally:
            if self._de_pin:
                self._de_pin(0)
        self._touch()
        if written != len(request):
            raise ModbusBusError(
                "modbus-bus", "expected to write %d bytes, found %s" % (len(request), written)
            )

    async def _receive(self, known, buf, wait_ms, missing):
        """Add what comes within `wait_ms` to `buf`; False after that much silence."""
        start = self.timing.ms()
        poll_ms = max(1, 2 * known.line.char_us // 1000)
        nap_ms = max(1, frame_ms(known.line, missing))
        while True:
            gone_ms = self.timing.since_ms(start)
            if self._drain(buf):
                return True
            if gone_ms >= wait_ms:
                return False
            await self.timing.sleep_ms(min(nap_ms, wait_ms - gone_ms))
            nap_ms = poll_ms

    def _drain(self, buf, most=512):
        """Move what the UART holds into `buf`; True if it held something."""
        try:
            data = self._uart.read(most) if self._uart.any() else None
        except OSError as error:
            raise ModbusBusError(
                "modbus-bus", "expected to read the UART, found %s; check the adapter" % error
            )
        if not data:
            return False
        buf.extend(data)
        self._touch()
        return True

    def _touch(self):
        self._active_ms = self.timing.ms()
        self._active_us = self.timing.us()

    def _quiet_us(self):
        """Microseconds since the last activity; milliseconds bridge the short range of
        microseconds.
        """
        gone_ms = self.timing.since_ms(self._active_ms)
        if not 0 <= gone_ms < 1000:
            return 1000000
        return self.timing.since_us(self._active_us)
