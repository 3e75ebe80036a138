"""The host's end of the console cable: what it accepts, and what it refuses by name."""

import base64
import os
import pty
import threading
import tty
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import cbor2
import pytest
from meterseal.errors import EnvironmentProblem, UnknownKey
from meterseal.onsite import inspect
from meterseal.onsite.cable import Cable, InspectionError, NotStarted, open_cable
from meterseal.resources import profiles_dir
from meterseal.verify.totals import ProfileTotals
from support.sealed import kid_of, private_key, public_bytes
from support.station import Station

END = {0: "end"}


def line(value: object) -> bytes:
    """A line of an answer as the firmware writes it."""
    data = cbor2.dumps(value, canonical=True)
    return b"@I %08x %b\r\n" % (zlib.crc32(data), base64.b64encode(data))


@contextmanager
def answering(*answers: bytes) -> Iterator[Cable]:
    """A cable to something that gives these answers, one a question."""
    board, port = pty.openpty()
    tty.setraw(port)

    def answer() -> None:
        for one in answers:
            question = b""
            while question.count(b"\n") < 2:
                question += os.read(board, 100)
            os.write(board, one)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        cable = open_cable(os.ttyname(port))
        cable._silence_s = 1.0
        yield cable
    finally:
        os.close(board)
        os.close(port)


def code(cable: Cable, question: str = "log") -> str:
    with pytest.raises((InspectionError, EnvironmentProblem)) as refusal:
        list(cable.ask(question))
    return refusal.value.code


def test_log_lines_between_the_answers_are_left_out() -> None:
    text = b"info seal sealed number=3\r\n"
    with answering(text + line({0: "line", 1: "x"}) + text + line(END)) as cable:
        assert inspect.last_lines(cable) == ["x"]


@pytest.mark.parametrize(
    "garbled",
    [
        line({0: "line", 1: "x"}).replace(b"@I ", b"@I 1"),
        b"@I 00000000 AAAA\r\n",
        b"@I zz\r\n",
        line(3),
        line({0: "line", 1: "x"})[:-6] + b"\r\n",
    ],
)
def test_garbled_lines(garbled: bytes) -> None:
    with answering(garbled) as cable:
        assert code(cable) == "inspect-garbled"


def test_the_boards_own_refusal() -> None:
    with answering(line({0: "refused", 1: "inspect-busy", 2: "meters"})) as cable:
        assert code(cable) == "inspect-busy"


@pytest.mark.parametrize("silence", [b"", b"MicroPython v1.28\r\n>>> ", b"@I 12"])
def test_silence(silence: bytes) -> None:
    with answering(silence or b"\r") as cable:
        assert code(cable) == "inspect-silent"


def batch_lines(raw: bytes, length: int, at: int = 0) -> bytes:
    head = line({0: "batch", 1: 1, 2: bytes(32), 3: length})
    return head + line({0: "part", 1: at, 2: raw}) + line(END)


@pytest.mark.parametrize(("length", "at"), [(4, 0), (3, 1)])
def test_batches_that_are_not_whole(length: int, at: int) -> None:
    with answering(batch_lines(b"abc", length, at)) as cable, pytest.raises(InspectionError):
        inspect.pull(cable)


def state_of(station: Station) -> bytes:
    """Enough of a state to say whose key it is."""
    figures = {
        0: "state",
        1: "1.0.0",
        2: public_bytes(station.key),
        3: 1,
        4: [3, 1],
        6: b"c" * 16,
        7: [1, b"", 6],
        8: 6,
        9: 60,
        10: [0, 0, 1, 0],
        11: [0, 0, 0],
        12: [],
        13: 1,
        14: [0, 0, 0],
    }
    return line(figures) + line(END)


@pytest.mark.parametrize("sealed", [None, b"another nonce 16"])
def test_a_challenge_answered_with_something_else(sealed: bytes | None) -> None:
    station, totals = Station(), ProfileTotals.load(profiles_dir())
    payload = station.payload()
    if sealed:
        payload[21] = [[sealed, 3, 1_000_000]]
    raw = station.close(payload)
    answers = state_of(station), batch_lines(raw, len(raw))
    with answering(*answers) as cable, pytest.raises(InspectionError) as refusal:
        inspect.challenge(cable, b"the nonce itself", totals)
    assert refusal.value.code == "challenge-nonce"


def test_a_challenge_that_is_answered() -> None:
    station, totals = Station(), ProfileTotals.load(profiles_dir())
    raw = station.close(station.payload() | {21: [[b"the nonce itself", 3, 1_000_000]]})
    with answering(state_of(station), batch_lines(raw, len(raw))) as cable:
        found = inspect.challenge(cable, b"the nonce itself", totals)
    assert (found.raw, found.number) == (raw, 1)
    assert found.registers[0].energy_import_mwh is not None
    assert kid_of(private_key(5)).hex() == station.trusted.kid.hex()


def test_a_challenge_sealed_by_another_key() -> None:
    station, other = Station(), Station(key_number=6)
    totals = ProfileTotals.load(profiles_dir())
    raw = other.close(other.payload() | {21: [[b"the nonce itself", 3, 1_000_000]]})
    answers = state_of(station), batch_lines(raw, len(raw))
    with answering(*answers) as cable, pytest.raises(UnknownKey):
        inspect.challenge(cable, b"the nonce itself", totals)


def test_what_the_board_says_instead_of_an_answer_is_told() -> None:
    with answering(b"Traceback\r\nMemoryError: \r\n") as cable:
        with pytest.raises(EnvironmentProblem) as silent:
            list(cable.ask("state", 0.5))
        assert "The board said last:" in silent.value.text and "MemoryError" in silent.value.text


def test_a_station_that_refuses_to_start_says_why_at_once() -> None:
    refused = b"refused: ca-unreadable: expected one certificate in DER\r\n"
    with answering(refused) as cable, pytest.raises(NotStarted) as problem:
        list(cable.ask("state", 60))
    assert problem.value.code == "ca-unreadable" and "one certificate" in problem.value.text
