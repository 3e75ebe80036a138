"""Batches out of files and streams: damaged ones do not hide the others; memory stays constant."""

import gc
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from meterseal.errors import EnvironmentProblem
from meterseal.verify import Standard
from meterseal.verify.sources import files, pieces, pieces_of_file
from support.host import by_id, raw
from support.station import Station

BATCHES = [raw(by_id(name)) for name in ("sdm120-hour", "em340-hour", "size-65535", "genesis")]


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = data
        self._step = step

    def read(self, size: int = -1) -> bytes:
        taken, self._data = self._data[: self._step], self._data[self._step :]
        return taken


def split(data: bytes) -> list[bytes]:
    found = list(pieces(io.BytesIO(data)))
    assert b"".join(piece.raw for piece in found) == data
    assert [piece.offset for piece in found] == [
        sum(len(piece.raw) for piece in found[:index]) for index in range(len(found))
    ]
    return [piece.raw for piece in found]


def test_a_sequence_is_split_into_its_batches() -> None:
    assert split(b"".join(BATCHES * 40)) == BATCHES * 40


def test_nothing_and_one_batch() -> None:
    assert split(b"") == []
    assert split(BATCHES[0]) == [BATCHES[0]]


@pytest.mark.parametrize("step", [1, 7, 1000, 70_000])
def test_streams_that_give_little_at_a_time(step: int) -> None:
    data = b"".join(BATCHES[:2])
    assert [piece.raw for piece in pieces(Dribble(data, step))] == BATCHES[:2]


def test_a_damaged_batch_does_not_hide_those_behind_it() -> None:
    first, second, _, third = BATCHES
    for at in range(len(second)):
        damaged = second[:at] + bytes((second[at] ^ 0x5A,)) + second[at + 1 :]
        found = split(first + damaged + third)
        assert found[0] == first
        assert found[-1] == third
        assert damaged in found or b"".join(found[1:-1]) == damaged


def test_a_cut_batch_at_the_end_is_one_piece() -> None:
    assert split(BATCHES[0] + BATCHES[1][:100]) == [BATCHES[0], BATCHES[1][:100]]


def test_rubbish_before_and_between() -> None:
    assert split(b"rubbish" + BATCHES[0] + b"\x00" + BATCHES[1]) == [
        b"rubbish",
        BATCHES[0],
        b"\x00",
        BATCHES[1],
    ]


def test_files_of_a_directory_are_taken_by_name(tmp_path: Path) -> None:
    for name in ("b.cbor", "a.cborseq", "trust.json", "sub/c.cose", "d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(BATCHES[0])
    found = [path.relative_to(tmp_path).as_posix() for path in files([tmp_path])]
    assert found == ["a.cborseq", "b.cbor", "sub/c.cose"]
    assert list(files([tmp_path / "d.txt"])) == [tmp_path / "d.txt"]
    assert [piece.raw for piece in pieces_of_file(tmp_path / "d.txt")] == [BATCHES[0]]


def test_what_is_not_there_or_not_readable(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        list(files([tmp_path / "nothing"]))
    assert problem.value.code == "input-unreadable"
    with pytest.raises(EnvironmentProblem) as problem:
        list(pieces_of_file(tmp_path))
    assert problem.value.code == "input-unreadable"


def test_memory_does_not_grow_with_the_stream() -> None:
    """What a verifier keeps after a short stream and after one ten times as long."""

    def kept(length: int) -> int:
        station = Station()
        verifier = station.verifier(Standard(), history_len=16)
        source: Iterator[bytes] = (station.seal() for _ in range(length))
        tracemalloc.start()
        try:
            assert all(verdict.batch for verdict in verifier.verify_each(source))
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    kept(40)  # fills the caches of the libraries
    assert kept(600) < kept(40) + 100_000  # a hash for each batch would already be more


def bomb() -> bytes:
    """The most values that fit into one batch: thousands of constant columns of 1024 readings."""
    station = Station()
    payload = station.payload()
    n = payload[7] = 1024
    columns = [[3, address, 4, 0, 0, 0, 0, b""] for address in range(5_700)]
    sequence, time = [], [0, 1, 0, b""]
    payload[13] = [[0, station.boot, n, sequence, time, [], columns]]
    return station.close(payload)


def test_a_batch_made_to_fill_the_memory_does_not() -> None:
    raw = bomb()
    assert 60_000 < len(raw) < 65_536
    verifier = Station().verifier(Standard())
    tracemalloc.start()
    try:
        for verdict in verifier.verify_each([raw] * 3):
            assert verdict.batch or (verdict.refusal and verdict.refusal.code == "replay")
        assert tracemalloc.get_traced_memory()[1] < 250_000_000
    finally:
        tracemalloc.stop()
