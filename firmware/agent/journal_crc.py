"""CRC-16/CCITT (polynomial 0x1021, most significant bit first), for interpreters without one.

Up to 4 KiB it detects every error of up to three bits, which a truncated CRC-32 does not. A table
of nibbles takes 16 entries instead of 256, which suits a heap of 100 KiB. It must give what
`binascii.crc_hqx` of CPython gives.
"""

from agent.constant import const

_POLYNOMIAL = const(0x1021)


def _entry(value):
    crc = value << 12
    for _ in range(4):
        crc = crc << 1 ^ (_POLYNOMIAL if crc & 0x8000 else 0)
    return crc & 0xFFFF


_TABLE = tuple(_entry(nibble) for nibble in range(16))


def crc16(data, crc):
    """CRC of `data`, continued from `crc`."""
    table = _TABLE
    for byte in data:
        crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ byte >> 4]
        crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ byte & 15]
    return crc
