"""New versions from afar on real stations: the good one stays, every bad one goes back by itself.

Everything is real but the speed: firmware on the MicroPython VM, collector, TLS, simulated meter.
"""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from meterseal import pki
from meterseal.update.rings import KEPT, REFUSED, WENT_BACK, Plan
from support.update_fleet import Fleet

NEWER = 1793500000
PLAN = Plan(("rest",), most_bad=0, good_permille=1000)

CRASHES = "\nraise ValueError('crashes when it is imported')\n"
HANGS = "\nprint('hangs')\nwhile True:\n    pass\n"
BLIND = """

async def _blind(self):
    from agent.reading import ALL_PRESENT
    raise OSError(5)

MeterWatch.poll = _blind
"""
CANNOT_SEAL = """

def _cannot(self, digest_32):
    raise SignerError("signer-table", "cannot seal")

SoftwareSigner._sign = _cannot
"""
EATS_MEMORY = """

_eaten = []
_hand_over = MeterTask._hand_over

def _greedy(self, index, snap):
    _eaten.append(bytearray(400000))
    _hand_over(self, index, snap)

MeterTask._hand_over = _greedy
"""
BAD = {
    "crashes": {"agent__app": CRASHES},
    "hangs": {"agent__app": HANGS},
    "cannot read meters": {"agent__meter_watch": BLIND},
    "cannot seal": {"agent__signer": CANNOT_SEAL},
    "eats memory": {"agent__meter_task": EATS_MEMORY},
}


@pytest.mark.long
@pytest.mark.parametrize("heap", ["", "352k"])
def test_a_good_one_is_fetched_tried_and_kept(tmp_path: Path, heap: str) -> None:
    with Fleet(tmp_path, 1, heap=heap) as fleet:
        one = fleet.stations[0]
        fleet.wait("a first batch", lambda: one.said("uplink acknowledged"))
        fleet.publish("9.1.0", NEWER, PLAN)
        fleet.wait("the new version kept", lambda: fleet.states()[one.device] == KEPT)
        assert one.starts == 2
        one.process.kill()
        fleet.wait("it runs", lambda: one.said("app start boot=3 version=9.1.0"))
        assert "kept" in fleet.get("/updates").text
        (one.directory / "upd_code_a" / "code.pack").write_bytes(b"")
        one.process.kill()
        fleet.wait("the first version", lambda: one.said("app start boot=4 version=0.1.0"))
        assert one.said("update: damaged")
        fleet.wait("it was brought again", lambda: one.said("app start boot=5 version=9.1.0"))
        fleet.wait("it is kept", lambda: fleet.states()[one.device] == KEPT)


@pytest.mark.long
@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_goes_back_by_itself(tmp_path: Path, name: str) -> None:
    with Fleet(tmp_path, 1) as fleet:
        one = fleet.stations[0]
        fleet.wait("a first batch", lambda: one.said("uplink acknowledged"))
        fleet.publish("9.1.0", NEWER, PLAN, **BAD[name])
        fleet.wait("the old version", lambda: fleet.states()[one.device] == WENT_BACK, 300)
        starts = [line for line in one.lines if "app start" in line]
        print(f"{name}: went back after {one.starts} starts")
        assert "version=0.1.0" in starts[-1]
        assert "Paused" in fleet.get("/updates").text


@pytest.mark.long
def test_settings_are_kept_go_back_or_are_refused(tmp_path: Path) -> None:
    plan = Plan(("rest",), most_bad=1)
    with Fleet(tmp_path, 1, offline_keep_s=20) as fleet:
        one = fleet.stations[0]
        fleet.wait("a first batch", lambda: one.said("uplink acknowledged"))
        fleet.publish_settings(1, plan, max_interval_s=77)
        fleet.wait("the settings kept", lambda: fleet.states()[one.device] == KEPT)
        fleet.publish_settings(2, plan, uplink={"url": "https://127.0.0.1:9"})
        fleet.wait("the way back", lambda: fleet.states()[one.device] == WENT_BACK, 200)
        fleet.publish_settings(3, plan, update=fleet.settings | {"board": "OTHER"})
        fleet.wait("a refusal", lambda: fleet.states()[one.device] == REFUSED)
        assert one.said("refused code=update-settings")
        fleet.publish_settings(4, plan, read_interval=5)
        fleet.wait("a refusal", lambda: one.said("refused code=config-unknown-key"))
        other = pki.make_authority("another").certificate.public_bytes(Encoding.DER)
        uplink = fleet.stations_uplink() | {"ca_file": "ca2.der", "ca_file_next": "ca.der"}
        fleet.publish_settings(5, plan, other, uplink=uplink)
        fleet.wait("both authorities", lambda: fleet.states()[one.device] == KEPT)
        assert one.said("certificate ends soon slot=0") and one.said("ends soon slot=1")
        print("settings: kept, went back, refused twice; two authorities, both end soon")
