"""Steps of the site acceptance: what the runner asks the station, what a person does and sees.

A step returns what was found, or raises Failed with what should have been.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from meterseal.onsite import inspect
from meterseal.onsite.cable import Cable
from meterseal.resources import profiles_dir
from meterseal.verify.totals import ProfileTotals

LONGEST_WAIT_S = 900


class Failed(Exception):
    """A step that did not find what it should have."""


@dataclass
class Site:
    """The station under acceptance. `open_cable` opens the console anew after a power cut."""

    open_cable: Callable[[], Cable]
    tell: Callable[[str], None]
    cable: Cable = field(init=False)
    first: dict[str, Any] = field(default_factory=dict)
    registers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cable = self.open_cable()

    def state(self) -> dict[str, Any]:
        """The station's figures now."""
        return inspect.state(self.cable)


def console(site: Site) -> str:
    site.first = site.state()
    return f"device {site.first['device_id']}, firmware {site.first['firmware']}"


def real_key(site: Site) -> str:
    return expect(site.first["key_class"] != "sim", f"key class {site.first['key_class']}")


def meters(site: Site) -> str:
    found = [one["state"] for one in site.first["meters"]]
    right = bool(found) and set(found) == {"present"} and site.first["missed_polls"] == 0
    return expect(right, f"meters {found}, {site.first['missed_polls']} polls missed")


def clock(site: Site) -> str:
    return expect(site.first["utc_unix_ms"] is not None, f"UTC {site.first['utc_unix_ms']} ms")


def flash(site: Site) -> str:
    return checked(site, "flash")


def bus(site: Site) -> str:
    return checked(site, "bus")


def collector(site: Site) -> str:
    return "; ".join(
        checked(site, name) for name in ("network", "tls", "collector", "acknowledged")
    )


def challenge(site: Site) -> str:
    nonce = secrets.token_bytes(16)
    sealed = inspect.challenge(site.cable, nonce, ProfileTotals.load(profiles_dir()))
    site.registers = [
        f"unit {one.unit} ({one.profile}): {(one.energy_import_mwh or 0) / 1e6:.3f} kWh"
        for one in sealed.registers
    ]
    return f"nonce {nonce.hex()} in batch {sealed.number}: {'; '.join(site.registers)}"


def undisturbed(site: Site) -> str:
    now = site.state()
    same = now["boot"] == site.first["boot"] and now["missed_polls"] == 0
    went_on = now["next_sequence"] > site.first["next_sequence"]
    return expect(same and went_on, f"boot {now['boot']}, next reading {now['next_sequence']}")


def power(site: Site) -> str:
    before = site.state()
    site.tell("Take the power away for ten seconds, give it back, plug the cable in again.")
    now = wait_for(site, lambda found: found["boot"] == before["boot"] + 1)
    kept = now["next_sequence"] >= before["next_sequence"]
    lost = now["journal"]["lost_ranges"] == before["journal"]["lost_ranges"]
    return expect(kept and lost, f"boot {now['boot']}, next reading {now['next_sequence']}")


def network(site: Site) -> str:
    before = site.state()
    site.tell("Take the network away for three seal intervals, then give it back.")
    now = wait_for(site, lambda found: found["journal"]["waiting"] == 0)
    lost = now["journal"]["lost_ranges"] - before["journal"]["lost_ranges"]
    return expect(not lost, f"{now['journal']['acknowledged']} acknowledged, {lost} ranges lost")


def wait_for(site: Site, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask until the station is as it should be; the console is opened anew each time."""
    end = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < end:
        try:
            site.cable = site.open_cable()
            found = site.state()
            if right(found):
                return found
        except Exception as problem:  # noqa: BLE001 - a board that starts does not answer yet
            site.tell(f"not yet: {problem}")
        time.sleep(5)
    raise Failed(f"not within {LONGEST_WAIT_S} s")


def checked(site: Site, name: str) -> str:
    """What the station's own self-test says."""
    ((good, text),) = [
        (good, text) for one, good, text in inspect.check(site.cable) if one == name
    ]
    return expect(good, text)


def expect(right: bool, found: str) -> str:
    """What was found, if it is right."""
    if not right:
        raise Failed(found)
    return found


AUTOMATIC = (console, real_key, meters, bus, clock, flash, collector, challenge, undisturbed)
ATTENDED = (power, network)
BY_HAND = {
    "display": "Do the meters' displays show these registers?",
    "light": "Does the light blink as the table says?",
    "door": "Does the next batch tell that the door was opened and closed?",
    "break-in": "After Ctrl-C in mpremote: no reset for twice the watchdog time, one in an hour?",
    "safe-mode": "BOOT pressed after a reset: does the station stay off, without watchdog resets?",
    "dump": "Does `meterseal salvage` of a flash dump give the batches of `inspect --pull`?",
}
