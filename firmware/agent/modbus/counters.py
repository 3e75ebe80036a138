"""Error counters of one unit since boot, in the order of WIRE_FORMAT.md section 8, key 3."""

from ..errors import ModbusCrcError, ModbusException, ModbusTimeout


class Counters:
    """Every request ends in exactly one of ok, timeouts, crc_errors, malformed, exceptions, or,
    where the connection broke meanwhile, in `bus`.

    `late` and `bus` are for the log only: late answers recognised, and attempts that never got
    onto the bus.
    """

    def __init__(self):
        self.requests = 0
        self.ok = 0
        self.timeouts = 0
        self.crc_errors = 0
        self.malformed = 0
        self.exceptions = 0
        self.retries = 0
        self.late = 0
        self.bus = 0

    def failed(self, error):
        """Count one failed attempt that was sent."""
        if isinstance(error, ModbusTimeout):
            self.timeouts += 1
        elif isinstance(error, ModbusCrcError):
            self.crc_errors += 1
        elif isinstance(error, ModbusException):
            self.exceptions += 1
        else:
            self.malformed += 1

    def as_list(self):
        """[ok, timeouts, crc_errors, malformed, exceptions, retries]"""
        return [
            self.ok,
            self.timeouts,
            self.crc_errors,
            self.malformed,
            self.exceptions,
            self.retries,
        ]
