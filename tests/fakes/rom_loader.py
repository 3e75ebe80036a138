"""The loader of an ESP32 at a pty, as much of it as esptool asks for; the flash is real NOR.

Serial protocol: esptool's documentation, "Serial Protocol". The stub that esptool uploads is not
run: its answers are given here.
"""

import hashlib
import os
import pty
import struct
import threading
import tty
import zlib
from collections.abc import Callable

_END, _ESC = 0xC0, 0xDB
_MAGIC_AT, _MAGIC = 0x40001000, 0x00F01D83
_FLASH_ID = {0x3FF42080, 0x60002058}
_UNSUPPORTED = b"\x01\x05"
_SECTOR = 4096


class RomLoader:
    """A context manager. `port`: for esptool; `flash`: what it holds."""

    def __init__(self, chip: str = "esp32", size: int = 4 << 20) -> None:
        self.chip, self.flash = chip, bytearray(b"\xff" * size)
        self.writes = 0
        self.bad_cell = -1  # an address that keeps what it has
        self._stub = False
        self._at, self._inflate = 0, zlib.decompressobj()
        self._reading: tuple[int, int] | None = None
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "RomLoader":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._slave)
        os.close(self._master)

    def _run(self) -> None:
        received = b""
        while True:
            try:
                received += os.read(self._master, 65536)
            except OSError:
                return
            while received.count(_END) >= 2:
                start = received.index(_END)
                end = received.index(_END, start + 1)
                packet, received = received[start + 1 : end], received[end + 1 :]
                if packet:
                    self._take(packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb"))
                else:
                    received = bytes([_END]) + received

    def _send(self, packet: bytes) -> None:
        packet = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        data = b"\xc0" + packet + b"\xc0"
        while data:
            data = data[os.write(self._master, data) :]

    def _take(self, packet: bytes) -> None:
        if self._reading and len(packet) == 4:
            return self._read_on(*struct.unpack("<I", packet))
        _, op, length, _ = struct.unpack("<BBHI", packet[:8])
        data = packet[8 : 8 + length]
        act: Callable[[bytes], tuple[int, bytes] | None] | None = {
            0x02: self._begin,
            0x08: self._sync,
            0x0A: self._register,
            0x10: self._begin,
            0x11: self._deflated,
            0x13: self._md5,
            0x14: self._security,
            0xD0: self._erase,
            0xD2: self._read,
        }.get(op)
        value, answer = (act(data) if act else None) or (0, b"")
        status = b"" if answer == _UNSUPPORTED else b"\0\0"
        rest = b"" if self._stub else b"\0\0"
        self._send(struct.pack("<BBHI", 1, op, len(answer + status + rest), value)
                   + answer + status + rest)  # fmt: skip
        if op == 0x06 and struct.unpack("<I", data[:4])[0] == 0:  # run what was uploaded
            self._stub = True
            self._send(b"OHAI")
        if op == 0xD2:
            self._read_on(0)

    def _sync(self, data: bytes) -> None:
        self._stub = False  # as if the button had been held
        for _ in range(7):
            self._send(struct.pack("<BBHI", 1, 0x08, 4, 0x55) + bytes(4))

    def _register(self, data: bytes) -> tuple[int, bytes]:
        (address,) = struct.unpack("<I", data[:4])
        if address in _FLASH_ID:
            return (len(self.flash).bit_length() - 1) << 16 | 0x4020, b""
        magic = _MAGIC if self.chip == "esp32" else 9
        return (magic if address == _MAGIC_AT else 0), b""

    def _security(self, data: bytes) -> tuple[int, bytes]:
        if self.chip == "esp32":
            return 0, _UNSUPPORTED
        return 0, struct.pack("<IB7sII", 0, 0, bytes(7), 9, 0)

    def _begin(self, data: bytes) -> None:
        size, _, _, self._at = struct.unpack("<IIII", data[:16])
        self._inflate = zlib.decompressobj()
        self.writes += 1
        end = -(-(self._at + size) // _SECTOR) * _SECTOR
        self.flash[self._at : end] = b"\xff" * (end - self._at)

    def _deflated(self, data: bytes) -> None:
        (length,) = struct.unpack("<I", data[:4])
        self._program(self._inflate.decompress(data[16 : 16 + length]))

    def _program(self, data: bytes) -> None:
        for one in data:
            if self._at != self.bad_cell:
                self.flash[self._at] &= one
            self._at += 1

    def _md5(self, data: bytes) -> tuple[int, bytes]:
        at, size = struct.unpack("<II", data[:8])
        digest = hashlib.md5(self.flash[at : at + size], usedforsecurity=False)
        return 0, digest.digest() if self._stub else digest.hexdigest().encode()

    def _erase(self, data: bytes) -> None:
        self.flash[:] = b"\xff" * len(self.flash)

    def _read(self, data: bytes) -> None:
        self._reading = struct.unpack("<II", data[:8])

    def _read_on(self, done: int) -> None:
        assert self._reading is not None
        at, size = self._reading
        if done < size:
            self._send(bytes(self.flash[at + done : at + min(done + _SECTOR, size)]))
        else:
            self._reading = None
            data = self.flash[at : at + size]
            self._send(hashlib.md5(data, usedforsecurity=False).digest())
