"""A simulated meter under `identify`: real Modbus TCP, time that a test moves by hand."""

from collections.abc import Sequence

from meterseal.identify import Identification, identify_meter
from meterseal.identify.link import open_tcp
from meterseal.profiles import Profile
from meterseal.profiles.sunspec import relocated
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.server import MeterServer

from .meters import PROFILES, HandClock

CHARGING_S = 400


def identified(
    name: str,
    *,
    watch_s: int = 600,
    charging_s: int = CHARGING_S,
    tried: Sequence[str | Profile] = (),
    base: int | None = None,
    at: int | None = None,
    setup: dict[str, int] | None = None,
    start_energy_wh: int = 7000,
    **settings: object,
) -> Identification:
    """What `identify` finds out about a meter in the middle of a charge.

    `base`, `at`: where a SunSpec meter keeps its chain and its block; `setup`: settings that
    differ from what its profile expects.
    """
    clock = HandClock()
    simulated = SimulatedMeter(
        _moved(PROFILES[name], base, at),
        start_energy_wh=start_energy_wh,
        start_export_wh=11,
        clock_ms=clock,
        **settings,
    )
    simulated.setup_values = setup or {}
    clock.advance_s(charging_s)
    with MeterServer([simulated]).start_tcp() as server:
        link = open_tcp("127.0.0.1", server.port, 1.0)
        result = identify_meter(
            link,
            simulated.unit_id,
            [PROFILES[key] if isinstance(key, str) else key for key in tried or PROFILES],
            watch_s=watch_s,
            clock_s=lambda: clock.ms / 1000,
            sleep_s=lambda seconds: clock.advance_ms(round(1000 * seconds)),
        )
        link.close()
    return result


def _moved(profile: Profile, base: int | None, at: int | None) -> Profile:
    return relocated(profile, base, at) if base and at else profile
