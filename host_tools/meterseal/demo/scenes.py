"""The demonstration, scene by scene. Each returns only if what it shows really happened."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from meterseal.demo.stage import Stage, wait_until

Say = Callable[[str], None]

BOUND_S = float(os.environ.get("METERSEAL_DEMO_BOUND_S", "90"))
"""The whole demonstration ends within this; no scene may wait beyond it. A busy machine may set
another bound by the environment.
"""
BEFORE_OUTAGE = 3
SEALED_OFFLINE = 2
READING_LINE = re.compile(r"^debug journal reading sequence=(\d+) ")
SEALED_LINE = re.compile(r"^info seal sealed number=(\d+) ")


class Narrator:
    """Numbered headings and plain lines on the terminal, with the time since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start_s = time.monotonic()
        self._scene = 0

    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start_s

    def left_s(self) -> float:
        """Seconds that a scene may still wait."""
        return max(BOUND_S - self.elapsed_s(), 0.0)

    def scene(self, title: str) -> None:
        """A numbered heading."""
        self._scene += 1
        self._console.print(f"\n[bold]{self._scene}. {title}[/bold]", soft_wrap=True)

    def say(self, text: str) -> None:
        """One line with the seconds since the start."""
        line = f"   [dim]{self.elapsed_s():5.1f} s[/dim]  {text}"
        self._console.print(line, highlight=False, soft_wrap=True)


class Watch:
    """Follows the station's log and the collector's head, and says what is new."""

    def __init__(self, stage: Stage, narrator: Narrator) -> None:
        self._stage = stage
        self._narrator = narrator
        self._journaled = 0
        self.sealed = 0
        self.acknowledged = 0

    def look(self, online: bool = True) -> None:
        """Say each batch that was sealed, and how far the collector has the chain."""
        assert self._stage.board is not None
        for line in self._stage.board.drain():
            if reading := READING_LINE.search(line):
                self._journaled = int(reading.group(1))
            if batch := SEALED_LINE.search(line):
                self._say_sealed(int(batch.group(1)), online)
        if online and (head := self._stage.head_number()) > self.acknowledged:
            self.acknowledged = head
            self._narrator.say(f"[green]collector holds the chain up to batch {head}[/green]")

    def _say_sealed(self, number: int, online: bool) -> None:
        waiting = "" if online else "; no network: it waits in flash"
        self._narrator.say(
            f"readings up to {self._journaled} are in the journal,"
            f" batch {number} is sealed{waiting}"
        )
        self.sealed = number


def seal_online(stage: Stage, narrator: Narrator, watch: Watch) -> None:
    """Readings become batches, batches reach the collector."""
    narrator.scene("The station reads the meter over Modbus, seals and uploads over TLS")

    def enough() -> bool:
        watch.look()
        shown = 0 < watch.sealed <= watch.acknowledged  # one that was sealed before our eyes
        return shown and watch.acknowledged >= BEFORE_OUTAGE

    wait_until(
        "sealed batches at the collector", enough, narrator.left_s(), stage.out / "station.log"
    )


def outage(stage: Stage, narrator: Narrator, watch: Watch) -> None:
    """The network goes; the station goes on."""
    narrator.scene("The network is cut")
    assert stage.cable is not None
    stage.cable.cut()
    before = max(watch.sealed, watch.acknowledged)

    def enough() -> bool:
        watch.look(online=False)
        return watch.sealed >= before + SEALED_OFFLINE

    wait_until(
        "batches sealed without network", enough, narrator.left_s(), stage.out / "station.log"
    )


def power_cut(stage: Stage, narrator: Narrator, watch: Watch) -> None:
    """The power goes in the middle of it, and comes back."""
    narrator.scene("The power is cut (kill -9) and comes back; the network is still down")
    time.sleep(1.5)
    assert stage.board is not None
    stage.board.stop()
    narrator.say("station killed between two batches")
    stage.power_on().listen()
    before = watch.sealed

    def enough() -> bool:
        watch.look(online=False)
        return watch.sealed > before

    wait_until("a batch after the restart", enough, narrator.left_s(), stage.out / "station.log")
    narrator.say("what was read before the cut is in it, marked as recovered")


def drain(stage: Stage, narrator: Narrator, watch: Watch) -> None:
    """The network comes back; the backlog drains."""
    narrator.scene("The network is back: the backlog drains, oldest first")
    assert stage.cable is not None
    wanted = watch.sealed
    stage.cable.mend()

    def enough() -> bool:
        watch.look()
        return watch.acknowledged >= wanted

    wait_until(
        "the whole backlog at the collector", enough, narrator.left_s(), stage.out / "station.log"
    )


def take_stock(stage: Stage, narrator: Narrator) -> Path:
    """Stop the station and take out every byte that the collector holds."""
    assert stage.board is not None
    stage.board.stop()
    batches = stage.out / "batches.cborseq"
    batches.write_bytes(stage.get("/v1/export").content)
    narrator.scene(
        "Everything that the collector holds is verified, independently of the firmware"
    )
    return batches


def set_up(stage: Stage, narrator: Narrator) -> None:
    """Meter, key and collector."""
    narrator.scene("A meter, a station with its own key, a collector behind TLS")
    device = stage.start_meter()
    narrator.say(f"simulated meter on the serial line {device}, Modbus RTU")
    narrator.say("a blank board at the cable: `meterseal provision` puts it into service")
    stage.provision_board(device, narrator.left_s())
    identity = stage.identity
    narrator.say(
        f"device {identity['device_id']}: key made on the board, class {identity['key_class']};"
        f" first batch verified: {identity['batch']}"
    )
    stage.write_trust()
    stage.start_collector()
    narrator.say(f"collector on {stage.url}")
