"""Lets faults loose on the answers of simulated meters, and counts them."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from pymodbus.framer import FramerRTU

from meterseal.sim.faults import METER_FAULTS, Fault
from meterseal.sim.meter import SimulatedMeter

# What goes onto the line: [(delay in s, bytes)].
Pieces = list[tuple[float, bytes]]

_BACKWARD_MWH = 1_000_000
_ROLLOVER_MARGIN_MWH = 5_000
_NOT_STORED_MWH = 20_000
_REBOOT_S = 3.0
_DEVICE_FAILURE, _DEVICE_BUSY = 4, 6
_MBAP_LEN = 7


class Injector:
    """Faults for the meters of one line; `counts` says how often each struck."""

    def __init__(
        self,
        meters: Iterable[SimulatedMeter],
        faults: Sequence[Fault] = (),
        *,
        rtu: bool = True,
        turnaround_ms: int = 0,
        seed: int = 1,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.rtu = rtu
        self._meters = {meter.unit_id: meter for meter in meters}
        self._faults = list(faults)
        self._turnaround_s = turnaround_ms / 1000
        self._dice = random.Random(seed)
        self._clock_s = clock_s
        self._start_s = clock_s()
        self._answers = 0
        self._silent_until_s = dict.fromkeys(self._meters, 0.0)
        self._zeroed: set[int] = set()
        self._effects: dict[str, Callable[[bytes], Pieces]] = {
            "late": self._late,
            "truncated": self._truncated,
            "crc": self._crc,
            "address": self._address,
            "noise": self._noise,
            "exception": self._exception,
            "silence": lambda frame: [],
        }

    def before_read(self, meter: SimulatedMeter) -> bool:
        """Call before a meter is read; True if its energy must answer 0 this time."""
        self._answers += 1
        zero = False
        for fault in self._struck(meter_faults=True):
            self.counts[fault.kind] += 1
            zero = zero or fault.kind == "zero"
            self._change(meter, fault.kind)
        return zero

    def on_answer(self, frame: bytes) -> Pieces:
        """What really goes onto the line instead of an answer."""
        unit_id = frame[0] if self.rtu else frame[_MBAP_LEN - 1]
        if self._clock_s() < self._silent_until_s.get(unit_id, 0.0):
            return []
        for fault in self._struck(meter_faults=False):
            self.counts[fault.kind] += 1
            return self._effects[fault.kind](frame)
        return [(self._turnaround_s, frame)]

    def _struck(self, *, meter_faults: bool) -> list[Fault]:
        elapsed_s = self._clock_s() - self._start_s
        kinds = [f for f in self._faults if (f.kind in METER_FAULTS) == meter_faults]
        return [f for f in kinds if f.hits(self._answers, elapsed_s, self._dice)]

    def _change(self, meter: SimulatedMeter, kind: str) -> None:
        """Lasting changes of the meter itself."""
        if kind == "backward":
            meter.add_energy_mwh(-_BACKWARD_MWH)
        elif kind == "rollover":
            meter.rollover_mwh = meter.truth().energy_import_mwh + _ROLLOVER_MARGIN_MWH
        elif kind == "reboot":
            meter.add_energy_mwh(-_NOT_STORED_MWH)
            self._silent_until_s[meter.unit_id] = self._clock_s() + _REBOOT_S
        elif kind == "swapped":
            meter.swap()
        elif kind == "ratio":
            meter.ratio *= 2

    def _late(self, frame: bytes) -> Pieces:
        meter = next(iter(self._meters.values()))
        return [(self._turnaround_s + 1.5 * meter.profile.bus.timeout_ms / 1000, frame)]

    def _truncated(self, frame: bytes) -> Pieces:
        return [(self._turnaround_s, frame[: self._dice.randrange(1, len(frame))])]

    def _crc(self, frame: bytes) -> Pieces:
        bit = self._dice.randrange(8 * len(frame))
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        return [(self._turnaround_s, bytes(broken))]

    def _address(self, frame: bytes) -> Pieces:
        position = 0 if self.rtu else _MBAP_LEN - 1
        other = frame[position] % 247 + 1
        return [(self._turnaround_s, self._sealed(frame, position, bytes([other])))]

    def _noise(self, frame: bytes) -> Pieces:
        before, after = (self._dice.randbytes(self._dice.randint(0, 8)) for _ in range(2))
        return [(self._turnaround_s, (before or b"\xff") + frame + after)]

    def _exception(self, frame: bytes) -> Pieces:
        start = 1 if self.rtu else _MBAP_LEN
        code = self._dice.choice((_DEVICE_FAILURE, _DEVICE_BUSY))
        answer = frame[:start] + bytes([frame[start] | 0x80, code])
        if self.rtu:
            return [(self._turnaround_s, _with_crc(answer))]
        return [(self._turnaround_s, answer[:4] + (3).to_bytes(2, "big") + answer[6:])]

    def _sealed(self, frame: bytes, position: int, new: bytes) -> bytes:
        """The frame with one byte replaced, and a CRC that fits."""
        changed = frame[:position] + new + frame[position + 1 :]
        return _with_crc(changed[:-2]) if self.rtu else changed


def _with_crc(frame: bytes) -> bytes:
    return frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")
