"""What the journal costs the flash, how long it lasts and how little a restart reads.

DESIGN's defaults: a reading a minute of four float registers, a batch an hour, acknowledged at
once. Exact counts on the model of a NOR flash of 2 MiB: the same on every machine. Records and
batches are those that the firmware writes for the frozen corpus.
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / "tests" / "corpus"
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests"), str(ROOT), str(CORPUS)]

import sealing  # noqa: E402
from agent.errors import JournalFull  # noqa: E402
from agent.journal import CONTEXT, READING, Journal  # noqa: E402
from fakes.nor_flash import NorFlash  # noqa: E402
from meterseal.resources import micropython_binary  # noqa: E402
from meterseal.wire.envelope import open_envelope  # noqa: E402

from tests.bench.bench_verify import chain, corpus_key  # noqa: E402

SECTORS = 512  # 2 MiB
SECTOR_LEN = 4096
HEADER_LEN = 32
WRAPPED = 1000  # batches after the ring has been filled once
MOST_BATCHES = 4000
READINGS = 60
LITTLEFS_HOURS = 20


class Station:
    """The corpus hour, again and again, on one flash; `policy` of the journal."""

    def __init__(self, policy: str, flash: NorFlash | None = None) -> None:
        node = json.loads((CORPUS / "4q_float_sdm120.json").read_text(encoding="utf-8"))
        records = sealing.records(node)
        self.context = next(payload for kind, payload in records if kind == CONTEXT)
        self.readings = [payload for kind, payload in records if kind == READING]
        self.flash = flash or NorFlash(SECTORS)
        self.journal = Journal(self.flash, {"policy": policy})
        self.journal.mount()
        self.journal.set_context(self.context)
        self.appended = 0

    def hour(self, number: int, raw: bytes, acknowledged: bool) -> None:
        """Sixty readings and their batch; JournalFull under policy `stop`."""
        for payload in self.readings:
            self.journal.append(READING, payload)
            self.appended += 1
            self.journal.idle()
        for _ in self.journal.unsealed():
            pass
        envelope = open_envelope(raw)
        seal = (number, _chain_id(raw), envelope.digest, raw)
        self.journal.seal(*seal, self.journal.mark(), self.appended - 1)
        self.journal.idle()
        if acknowledged:
            self.journal.acknowledge(_chain_id(raw), number, envelope.digest)


def _chain_id(raw: bytes) -> bytes:
    """Key 1 of the payload, which begins behind version and head."""
    payload = open_envelope(raw).payload
    at = payload.index(b"\x01\x50") + 2
    return payload[at : at + 16]


def numbered(batches: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Batches with the numbers that they bear; the corpus begins at 5000."""
    yield from enumerate(batches, sealing.NUMBER)


def wear(batches: list[bytes]) -> dict[str, float]:
    """Bytes and erases for each reading, of a ring that has been filled before."""
    station = Station("stop")
    before: Any = None
    for index, (number, raw) in enumerate(numbered(batches)):
        if index == len(batches) - WRAPPED:
            before = station.flash.count.bytes_programmed, station.flash.count.erases
        station.hour(number, raw, True)
    programmed = station.flash.count.bytes_programmed - before[0]
    erases = station.flash.count.erases - before[1]
    readings = READINGS * WRAPPED
    return {
        "flash_bytes_per_reading_4q": round(programmed / readings, 2),
        "flash_bytes_per_reading_4q_littlefs": littlefs(len(station.readings[0]), len(batches[0])),
        "flash_erases_per_1000_readings": round(1000 * erases / readings, 2),
    }


def littlefs(record_len: int, batch_len: int) -> float:
    """The same readings appended to a file and flushed."""
    script = ROOT / "tests" / "bench" / "littlefs_on_vm.py"
    sizes = map(str, (record_len, batch_len, LITTLEFS_HOURS))
    command = [str(micropython_binary()), str(script), str(ROOT / "tests"), *sizes]
    return round(float(subprocess.run(command, capture_output=True, check=True).stdout), 1)


def endurance(batches: list[bytes]) -> tuple[float, Station]:
    """Days until a journal that nobody acknowledges is full, and the full one."""
    station = Station("stop")
    held = 0
    try:
        for number, raw in numbered(batches):
            station.hour(number, raw, False)
            held += 1
    except JournalFull:
        return round(held / 24, 1), station
    raise AssertionError("expected a full journal; make more batches")


def recovery(full: Station) -> float:
    """Whole sectors' worth of bytes that a mount reads besides one short header a sector.

    Some sectors of the full journal are damaged first: headers torn, bits flipped, one whose
    erase was cut.
    """
    flash = full.flash.after_cut()
    for sector in (40, 41, 200, 350):
        flash.flip(sector, 5, 3)
    for sector in (77, 300):
        flash.flip(sector, 900, 1)
    flash.unstable.add(120)
    journal = Journal(flash, {"policy": "stop"})
    found = journal.mount()
    beyond = max(0, flash.count.bytes_read - SECTORS * HEADER_LEN)
    return float(max(found.full_sector_reads, math.ceil(beyond / SECTOR_LEN)))


def figures() -> dict[str, float]:
    """All of it, in half a minute."""
    batches = chain(corpus_key(), MOST_BATCHES)
    days, full = endurance(batches)
    worn = wear(batches)
    return {
        **worn,
        "journal_recovery_full_sector_reads": recovery(full),
        "journal_days_2mib": days,
    }


if __name__ == "__main__":
    for figure, value in figures().items():
        print(f"{figure:40} {value}")
