"""A staged roll-out over virtual stations with a bad version in the first ring stops by itself.

Each station is a process of the real MicroPython VM; collector, TLS and meter are real too.
"""

from pathlib import Path

import pytest
from meterseal.update.rings import KEPT, WENT_BACK, Plan
from support.update_fleet import Fleet

NEWER = 1793500000
CRASHES = "\nraise ValueError('crashes when it is imported')\n"


@pytest.mark.long
def test_twenty_stations_a_bad_version_in_the_first_ring_then_a_good_one(tmp_path: Path) -> None:
    with Fleet(tmp_path, 20, read_interval_s=4, trial_s=120) as fleet:
        first = ",".join(one.device for one in fleet.stations[:3])
        plan = Plan((first, "40%", "rest"), most_bad=0, good_permille=1000)
        fleet.wait("a batch of each", lambda: all(
            one.said("uplink acknowledged") for one in fleet.stations
        ))  # fmt: skip
        fleet.publish("9.1.0", NEWER, plan, agent__app=CRASHES)
        fleet.wait("it stopped", lambda: "Paused." in fleet.get("/updates").text, 240)
        states = fleet.states()
        bad = [device for device, state in states.items() if state == WENT_BACK]
        touched = [device for device, state in states.items() if state != "waiting"]
        assert bad and set(touched) <= set(first.split(","))
        offers = [one for one in fleet.stations if one.said("installed what=code")]
        print(f"bad version: {len(offers)} of 20 stations tried it, stopped by itself")
        assert 0 < len(offers) <= 3
        page = fleet.get("/updates").text
        assert "went back" in page and page.count("closed") == 20
        fleet.publish("9.2.0", NEWER + 1, plan)
        fleet.wait("all have it", lambda: set(fleet.states().values()) == {KEPT}, 400)
        print(f"good version: kept by {len(fleet.states())} of 20 stations, ring by ring")
        assert fleet.get("/v1/updates").json()[1]["paused"]
