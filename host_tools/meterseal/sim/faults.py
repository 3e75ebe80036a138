"""Faults of a simulated meter: which, how often, and when. What they do is in `sim/injector.py`.

Written as KIND (every answer), KIND:PROBABILITY, KIND#N (only the Nth answer), KIND@FROM or
KIND@FROM-UNTIL (seconds
since the start).
"""

import random
import re
from dataclasses import dataclass
from typing import Final

from meterseal.errors import ConfigurationError

# Kind -> what happens; the order is that of the help text.
LINE_FAULTS: Final[dict[str, str]] = {
    "late": "the answer comes after the master has given up",
    "truncated": "the answer ends in the middle",
    "crc": "a bit of the answer is flipped (RTU only)",
    "address": "the answer carries the unit id of another meter",
    "noise": "random bytes around the answer",
    "exception": "the meter answers with an exception",
    "silence": "no answer",
}
METER_FAULTS: Final[dict[str, str]] = {
    "zero": "the energy counters answer 0",
    "backward": "the energy counter steps back by 1 kWh",
    "rollover": "the energy counter reaches its end and starts again at 0",
    "reboot": "no answer for 3 s; the counter loses 20 Wh that were not yet stored",
    "swapped": "another meter of the same kind: serial number and energy change",
    "ratio": "the transformer ratio is doubled: set-up registers and values change",
}
# These change the meter for good and happen once.
LASTING: Final = frozenset({"backward", "rollover", "reboot", "swapped", "ratio"})

_FORM = re.compile(
    r"(?P<kind>[a-z]+)(:(?P<share>0?\.\d+|[01])|#(?P<nth>\d+)|@(?P<begin>\d+)(-(?P<end>\d+))?)?"
)


@dataclass
class Fault:
    """One fault with its schedule; `done` once a lasting fault has happened."""

    kind: str
    probability: float = 1.0
    nth: int | None = None
    from_s: float = 0.0
    until_s: float | None = None
    done: bool = False

    def hits(self, answer: int, elapsed_s: float, dice: random.Random) -> bool:
        """Whether the fault strikes the answer of this number at this time."""
        if self.done or elapsed_s < self.from_s:
            return False
        if self.until_s is not None and elapsed_s >= self.until_s:
            return False
        if self.nth is not None and answer != self.nth:
            return False
        struck = self.probability >= 1 or dice.random() < self.probability
        self.done = struck and self.kind in LASTING
        return struck


def parse_fault(text: str, *, rtu: bool) -> Fault:
    """Fault of the command line.

    Raises ConfigurationError `fault-form`, `fault-unknown`, or `fault-not-on-tcp` (TCP has no
    CRC).
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            "fault-form",
            f"expected KIND, KIND:PROBABILITY, KIND#N or KIND@FROM-UNTIL, found {text!r}",
            "For example crc:0.05, zero#12, silence@30-60.",
        )
    kind = match["kind"]
    if kind not in LINE_FAULTS | METER_FAULTS:
        raise ConfigurationError(
            "fault-unknown",
            f"expected one of {' '.join(LINE_FAULTS | METER_FAULTS)}, found {kind!r}",
            "`meterseal meter --help` says what each does.",
        )
    if kind == "crc" and not rtu:
        raise ConfigurationError(
            "fault-not-on-tcp",
            "Modbus TCP has no CRC: a flipped bit could not be noticed",
            "Use truncated or noise, or RTU.",
        )
    return Fault(
        kind=kind,
        probability=float(match["share"] or 1),
        nth=int(match["nth"]) if match["nth"] else None,
        from_s=float(match["begin"] or 0),
        until_s=float(match["end"]) if match["end"] else None,
    )
