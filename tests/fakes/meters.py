"""Simulated meters for tests: a clock moved by hand, and all profiles on one line."""

from pathlib import Path

from meterseal.profiles import Profile, load_all
from meterseal.sim.meter import SimulatedMeter

ROOT = Path(__file__).resolve().parent.parent.parent
PROFILES_DIR = ROOT / "firmware" / "profiles"
PROFILES: dict[str, Profile] = load_all(PROFILES_DIR)


class HandClock:
    """Simulated milliseconds that move only when a test says so."""

    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        return self.ms

    def advance_s(self, seconds: int) -> None:
        """Let time pass."""
        self.advance_ms(1000 * seconds)

    def advance_ms(self, milliseconds: int) -> None:
        """Let time pass."""
        self.ms += milliseconds


def meter(name: str, clock: HandClock | None = None, **settings: object) -> SimulatedMeter:
    """A meter of a shipped profile that stands still until its clock is moved."""
    return SimulatedMeter(PROFILES[name], clock_ms=clock or HandClock(), **settings)


def one_line(start_energy_wh: int = 12_345_678) -> list[SimulatedMeter]:
    """A meter of every profile on one line, unit ids 1, 2, ...; all in the middle of a charge."""
    clock = HandClock()
    meters = [
        SimulatedMeter(
            profile,
            unit_id=unit_id,
            seed=unit_id,
            start_energy_wh=start_energy_wh,
            start_export_wh=321,
            clock_ms=clock,
        )
        for unit_id, profile in enumerate(PROFILES.values(), 1)
    ]
    clock.advance_s(400)
    return meters
