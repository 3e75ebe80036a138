"""A serial line on simulated time: a UART with the interface of machine.UART, meters behind it,
faults between.

Every byte has a time at which it has wholly arrived; what the processor does not fetch waits in a
buffer of limited size. A driver that is still enabled when an answer comes garbles it, as on a
real RS-485 pair.
"""

from agent.modbus.settings import Line

_PARITIES = {None: "N", 0: "E", 1: "O"}


class FakeUart:
    """`devices`: objects with `hear(request, line) -> [(delay_us, bytes), ...]`; delays count from
    the request's end.
    """

    def __init__(self, timing, devices=(), line=None, rx_buffer=512):
        self.timing = timing
        self.devices = list(devices)
        self.line = line or Line()
        self.sent = []  # (start_us, bytes)
        self.driver_on = None  # set by a DE pin
        self.driver_log = []
        self.echo = False
        self.glitch = lambda: b""  # what switching the driver on puts before the echo
        self.broken = None  # an OSError to raise
        self.rx_buffer = rx_buffer
        self._coming = []  # [start_us, us for each byte, bytes]
        self._held = b""
        self._tx_end_us = timing.now_us

    def init(self, baudrate=9600, bits=8, parity=None, stop=1):
        assert bits == 8
        self.line = Line(baudrate, _PARITIES[parity], stop)

    def any(self):
        self._raise()
        self._arrive()
        return 1 if self._held else 0

    def read(self, n):
        self._raise()
        self._arrive()
        data = bytes(self._held[:n])
        self._held = self._held[n:]
        return data or None

    def _arrive(self):
        """Move what has wholly arrived into the buffer; what does not fit is lost."""
        now = self.timing.now_us
        arrived = []
        for coming in self._coming:
            start, char_us, data = coming
            count = min(len(data), max(0, (now - start) // char_us))
            arrived += [(start + (i + 1) * char_us, data[i]) for i in range(count)]
            coming[0] += count * char_us
            coming[2] = data[count:]
        self._coming = [coming for coming in self._coming if coming[2]]
        arrived.sort()
        garbled = 0x55 if self.driver_on else 0
        self._held += bytes([byte ^ garbled for _, byte in arrived])
        self._held = self._held[: self.rx_buffer]

    def write(self, data):
        self._raise()
        now = self.timing.now_us
        assert self.driver_on is not False, "writing with the driver off"
        self._tx_end_us = now + len(data) * self.line.char_us
        self.sent.append((now, bytes(data)))
        if self.echo:
            self.put(now - self._tx_end_us, self.glitch() + data)
        for device in self.devices:
            for delay_us, answer in device.hear(bytes(data), self.line):
                self.put(delay_us, answer)
        return len(data)

    def flush(self):
        """Blocks until the last stop bit is out."""
        self._raise()
        self.timing.now_us = max(self.timing.now_us, self._tx_end_us)

    def put(self, delay_us, data):
        """Bytes on the line, from `delay_us` after the end of the last transmission."""
        self._coming.append([self._tx_end_us + delay_us, self.line.char_us, bytes(data)])

    def _raise(self):
        if self.broken:
            raise self.broken


class DriverPin:
    """DE pin of a transceiver: records when it was raised and dropped."""

    def __init__(self, uart):
        self.uart = uart
        self.log = []  # (time_us, level)
        uart.driver_on = False

    def __call__(self, level):
        self.uart.driver_on = bool(level)
        self.log.append((self.uart.timing.now_us, level))
