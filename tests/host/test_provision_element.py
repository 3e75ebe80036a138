"""A board with a simulated ATECC608 is provisioned: the steps' own code, the agent, the chip.

What the host sends to the board runs here in this process, against the firmware's modules; only
the cable, the port and the chip are simulated. The cable is real in tests/e2e/test_provision.py.
"""

import copy
import json
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import main as firmware_main
import pytest
from agent.atecc608 import Atecc608, find
from fakes.atecc608_chip import Chip
from fakes.board import Store
from fakes.whole_board import Random
from meterseal.provision import steps
from meterseal.provision.errors import ProvisionError
from meterseal.provision.order import Order, State, complete
from meterseal.registry.proof import check_proof

CONFIG = {
    "station_id": "kh-1",
    "meters": [{"profile": "eastron-sdm630"}],
    "network": {"hostname": "kh-1"},
}
BOARD = "ESP32_GENERIC"


class Board:
    """A board as agent/ports/esp32.py is one, with a chip on its I2C lines or none."""

    key_class = 1

    def __init__(self, chip: Chip | None) -> None:
        self.files: dict[str, bytes] = {}
        self.store = Store()
        self.chip = chip
        self.element: Atecc608 | None = None
        self.random = self.key_entropy = Random()

    def read_file(self, name: str) -> bytes:
        if name not in self.files:
            raise OSError(2)
        return self.files[name]

    def equip(self, config: Any) -> None:
        if config["secure_element"] != "none":
            assert self.chip is not None and config["clock"]["sda_pin"] == 21
            self.element = Atecc608(self.chip, self.chip.sleep_ms)

    def find_element(self, clock: dict[str, Any], address: int) -> Any:
        assert (clock["sda_pin"], clock["scl_pin"]) == (21, 22)
        chip = self.chip or Chip()
        chip.absent = self.chip is None
        return find(chip, chip.sleep_ms, address)


class Link:
    """The cable: files by name, and code that runs here."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def call(self, body: str, **_: Any) -> Any:
        names: dict[str, Any] = {}
        exec("def run():\n" + textwrap.indent(textwrap.dedent(body), "    "), names)
        return json.loads(json.dumps(names["run"]()))

    def differing(self, files: dict[str, bytes]) -> list[str]:
        return [name for name, data in files.items() if self.board.files.get(name) != data]

    def write(self, name: str, data: bytes) -> None:
        self.board.files[name] = data


def provision(
    board: Board, out: Path, monkeypatch: pytest.MonkeyPatch, **config: Any
) -> dict[str, Any]:
    """Configuration, key and proof, as `meterseal provision` goes through them; what is known."""
    port = SimpleNamespace(Board=lambda directory: board)
    monkeypatch.setattr(firmware_main, "port_module", lambda: port)
    order = Order("", complete(copy.deepcopy(CONFIG) | config, board=BOARD), out, board=BOARD)
    said: list[str] = []
    session = steps.Session(order, State(out), said.append)
    session._link = Link(board)  # type: ignore[assignment]
    for step in steps.AT_THE_PROMPT:
        if step.name in ("configuration", "key", "proof") and step.needed(session):
            step.act(session)
    return session.state.values | {"said": " ".join(said), "config": order.config}


def test_a_chip_that_answers_holds_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = Chip()
    board = Board(chip)
    found = provision(board, tmp_path, monkeypatch)
    assert found["key_class"] == "secure-element" and chip.serial.hex() in found["said"]
    assert json.loads(board.files["config.json"])["secure_element"] == "atecc608"
    public, nonce = bytes.fromhex(found["public_key"]), bytes.fromhex(found["nonce"])
    check_proof(bytes.fromhex(found["proof"]), nonce, public, "secure-element")
    assert chip.violations == []
    again = provision(board, tmp_path / "other", monkeypatch)  # another laptop, later
    assert again["public_key"] == found["public_key"]
    assert again["key_class"] == "secure-element"


def test_without_one_the_key_is_in_the_flash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = provision(Board(None), tmp_path, monkeypatch)
    assert found["key_class"] == "software" and "secure_element" not in found["config"]


def test_what_the_technician_wrote_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = provision(Board(Chip()), tmp_path, monkeypatch, secure_element="none")
    assert found["key_class"] == "software"


def test_one_that_is_not_locked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = Chip()
    chip.data_locked = False
    with pytest.raises(ProvisionError) as refused:
        provision(Board(chip), tmp_path, monkeypatch)
    assert refused.value.code == "element-unlocked" and '"none"' in refused.value.remedy


def test_the_cable_clears_what_updates_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.update_slots import CODE, SETTINGS, Slots

    board = Board(None)
    for name in (CODE, SETTINGS):
        Slots(board.store, name).install(2000000000, "9")
        Slots(board.store, name).keep()
    provision(board, tmp_path, monkeypatch)
    for name in (CODE, SETTINGS):
        slots = Slots(board.store, name)
        assert (slots.running(), slots.highest) == (0, 2000000000)


def test_a_section_of_the_technician_leaves_the_rest_of_it_to_the_board() -> None:
    found = complete({"station_id": "x", "network": {"hostname": "h"}, "buses": [{"baud": 9600}]},
                     board="OLIMEX_ESP32_POE")  # fmt: skip
    assert (found["network"]["kind"], found["network"]["hostname"]) == ("lan", "h")
    assert found["network"]["lan_power_pin"] == 12
    assert found["buses"] == [{"kind": "rtu", "uart": 1, "tx_pin": 4, "rx_pin": 36, "de_pin": 33,
                               "baud": 9600}]  # fmt: skip
    assert found["update"] == {"board": "OLIMEX_ESP32_POE"}
    tcp = {"kind": "tcp", "host": "192.0.2.1"}
    given = {"station_id": "x", "buses": [tcp], "update": {"owners": ["04"]}}
    found = complete(given | {"network": {"kind": "wifi"}}, board="OLIMEX_ESP32_POE")
    assert (found["buses"], found["network"]) == ([tcp], {"kind": "wifi"})
    assert found["update"] == {"board": "OLIMEX_ESP32_POE", "owners": ["04"]}
