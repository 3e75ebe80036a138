"""Random bytes on the wire: only declared errors come out, and no value that was not sent."""

from collections.abc import Callable
from typing import Any

import pytest
from agent.errors import ModbusError, ModbusException, ModbusMalformed
from agent.modbus import frame, frame_tcp
from agent.modbus.bounds import longest_read_ms
from agent.modbus.client import Line, RtuClient, RtuOverTcpClient, TcpClient, limits
from fakes.fake_meter import crc
from fakes.fake_stream import FakePeer
from fakes.fake_uart import FakeUart
from fakes.virtual_time import VirtualTiming, run
from hypothesis import strategies as st
from support.fuzz import fuzz

LIMITS = limits(first_byte_ms=100, gap_ms=20, retries=1, late_ms=200)
LINE = Line(9600)

units = st.integers(1, 247)
functions = st.sampled_from((3, 4))
counts = st.integers(1, 125)
# Bytes that often look like the beginning of a frame of unit 1.
wire_bytes = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from((b"\x01\x04\x04", b"\x01\x84", b"\x01", b"\x01\x04")),
        st.binary(max_size=8).map(lambda body: b"\x01\x04" + body + crc(b"\x01\x04" + body)),
    ),
    max_size=6,
).map(b"".join)


def pieces_of(contents: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a device puts on the line after a request: (delay in us, bytes) a few times."""
    return st.lists(st.tuples(st.integers(0, 400_000), contents), max_size=5)


def find_reply_gives_words_or_declared_errors(
    data: bytes, unit: int, function: int, count: int
) -> None:
    try:
        words, missing = frame.find_reply(data, unit, function, count)
    except (ModbusException, ModbusMalformed):
        return
    if words is None:
        assert 1 <= missing <= 5 + 2 * count
    else:
        body = bytes((unit, function, 2 * count)) + words
        assert len(words) == 2 * count
        assert body + crc(body) in data


def foreign_frames_are_whole_and_valid(data: bytes) -> None:
    found = frame.foreign_frame(data)
    if found is not None:
        whole = data[: found[0]]
        assert crc(whole[:-2]) == whole[-2:]
        assert found[1] == whole[0]


def tcp_frames(data: bytes) -> None:
    buf = bytearray(data)
    try:
        taken = frame_tcp.take_frame(buf)
    except ModbusMalformed:
        return
    if taken is None:
        assert bytes(buf) == data
        return
    transaction, body = taken
    assert (
        data
        == transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body + buf
    )
    try:
        words = frame_tcp.words_of(body, 1, 4, 2)
    except (ModbusException, ModbusMalformed):
        return
    assert body == b"\x01\x04\x04" + words


def rtu_client_on_a_line_of_random_bytes(pieces: list[tuple[int, bytes]]) -> None:
    timing = VirtualTiming()
    uart = FakeUart(timing, [_Parrot(pieces)])
    client = RtuClient(uart, timing=timing, line=LINE, lim=LIMITS)
    start_us = timing.now_us
    _read(client, b"".join(piece for _, piece in pieces))
    assert (timing.now_us - start_us) // 1000 <= longest_read_ms(LINE, LIMITS, 2)


def rtu_over_tcp_client_on_random_bytes(pieces: list[tuple[int, bytes]]) -> None:
    timing = VirtualTiming()
    peer = FakePeer(timing, lambda request: pieces)
    client = RtuOverTcpClient("gw", 1, timing, LINE, LIMITS, peer.connect)
    _read(client, b"".join(piece for _, piece in pieces))


def tcp_client_on_random_bytes(pieces: list[tuple[int, bytes | None]]) -> None:
    timing = VirtualTiming()
    peer = FakePeer(timing, lambda request: pieces)
    client = TcpClient("gw", 1, timing, LIMITS, peer.connect)
    try:
        words = run(client.read(1, 4, 0, 2))
    except ModbusError as error:
        assert error.code.startswith("modbus-")
    else:
        assert words in b"".join(piece or b"" for _, piece in pieces)


class _Parrot:
    """A device that answers every request with the same bytes."""

    def __init__(self, pieces: list[tuple[int, bytes]]) -> None:
        self.pieces = pieces

    def hear(self, request: bytes, line: Line) -> list[tuple[int, bytes]]:
        return self.pieces


def _read(client: Any, sent: bytes) -> None:
    """Read two registers: declared errors only, or words of a frame that was really sent."""
    try:
        words = run(client.read(1, 4, 0, 2))
    except ModbusError as error:
        assert error.code.startswith("modbus-")
        assert 1 <= error.status <= 255
    else:
        body = b"\x01\x04\x04" + words
        assert body + crc(body) in sent


CHECKS = {
    find_reply_gives_words_or_declared_errors: (
        wire_bytes,
        units,
        functions,
        counts,
    ),
    foreign_frames_are_whole_and_valid: (wire_bytes,),
    tcp_frames: (st.binary(max_size=600),),
    rtu_client_on_a_line_of_random_bytes: (pieces_of(wire_bytes),),
    rtu_over_tcp_client_on_random_bytes: (pieces_of(wire_bytes),),
    tcp_client_on_random_bytes: (pieces_of(st.binary(max_size=40) | st.none()),),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_few_examples(check: Callable[..., None]) -> None:
    fuzz(check, CHECKS[check], 60)


@pytest.mark.long
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_many_examples(check: Callable[..., None]) -> None:
    fuzz(check, CHECKS[check], 5_000)
