"""DS3231 real-time clock on I2C: reads and sets the time that runs through power cuts.

Registers: Maxim DS3231 data sheet, "Timekeeping Registers": seconds to year in BCD from 0x00,
status at 0x0F with the oscillator stop flag in bit 7. A clock whose oscillator stopped has no
time. Must never give a time that the chip does not vouch for. `i2c` has machine.I2C's interface.
"""

from agent.constant import const

_ADDRESS = const(0x68)
_STATUS = const(0x0F)
_STOPPED = const(0x80)
_TWELVE_HOURS = const(0x40)  # somebody else set it; what is written here counts to 24
_DAYS_BEFORE = const((0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334))
_YEAR_0 = const(2000)
_UNIX_2000_S = const(946684800)


class Ds3231:
    """`read()` -> Unix milliseconds or None; `write(t_unix_ms)`. Errors of the bus are OSError."""

    source = 2
    error_ms = 60000  # 2 ppm for a year, and the second that it is read in

    def __init__(self, i2c):
        self._i2c = i2c

    def read(self):
        """Unix milliseconds, or None if the oscillator stopped or the chip is not there."""
        try:
            if self._i2c.readfrom_mem(_ADDRESS, _STATUS, 1)[0] & _STOPPED:
                return None
            fields = self._i2c.readfrom_mem(_ADDRESS, 0, 7)
        except OSError:
            return None
        if fields[2] & _TWELVE_HOURS:
            return None
        second, minute = _number(fields[0]), _number(fields[1])
        hour, day = _number(fields[2] & 0x3F), _number(fields[4])
        month, year = _number(fields[5] & 0x1F), _number(fields[6])
        days = days_since_2000(year, month, day)
        return 1000 * (_UNIX_2000_S + 86400 * days + 3600 * hour + 60 * minute + second)

    def write(self, t_unix_ms):
        """Set the clock and clear the oscillator stop flag."""
        seconds = t_unix_ms // 1000 - _UNIX_2000_S
        days, rest = seconds // 86400, seconds % 86400
        year, month, day = date_of(days)
        fields = (rest % 60, rest // 60 % 60, rest // 3600, (days + 6) % 7 + 1, day, month, year)
        self._i2c.writeto_mem(_ADDRESS, 0, bytes([_bcd(field) for field in fields]))
        status = self._i2c.readfrom_mem(_ADDRESS, _STATUS, 1)[0]
        self._i2c.writeto_mem(_ADDRESS, _STATUS, bytes([status & ~_STOPPED & 0xFF]))


def days_since_2000(year, month, day):
    """Days from 2000-01-01; `year` is 0..99 for 2000..2099, where every fourth is a leap year."""
    leap = 1 if year % 4 == 0 and month > 2 else 0
    return 365 * year + (year + 3) // 4 + _DAYS_BEFORE[(month - 1) % 12] + leap + day - 1


def date_of(days):
    """(year 0..99, month, day) of a day counted from 2000-01-01."""
    year = days * 4 // 1461
    while days_since_2000(year + 1, 1, 1) <= days:
        year += 1
    month = 12
    while days_since_2000(year, month, 1) > days:
        month -= 1
    return year, month, days - days_since_2000(year, month, 1) + 1


def _number(bcd):
    return (bcd >> 4) * 10 + (bcd & 15)


def _bcd(number):
    return number // 10 << 4 | number % 10
