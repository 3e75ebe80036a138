"""The steps from a blank board to a verified batch. Each finds out first whether it is needed.

`Session.link` is the board in its raw REPL; after `restart` the station runs and `cable` asks it.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from meterseal.errors import EnvironmentProblem
from meterseal.onsite import inspect
from meterseal.onsite.cable import Cable, InspectionError
from meterseal.provision import flash, on_board
from meterseal.provision.errors import ProvisionError
from meterseal.provision.image import agent_files
from meterseal.provision.link import BoardLink
from meterseal.provision.order import Order, State
from meterseal.provision.proof import check_proof
from meterseal.registry.acts import enrol_fields

OLDEST: Final = (1, 28, 0)
MPY: Final = 6
_PAUSE_S: Final = 0.5
_CLOCK_OFF_MS: Final = 10_000
_LATER: Final = ("collector",)
"""Checks that need not hold yet: the collector takes batches once the device is registered."""
_OF_THE_KEY: Final = (
    *("proof", "nonce", "checks", "meters", "firmware"),
    *("batch", "batch_hash", "registers", "facts", "registered"),
)


class Session:
    """One board on its way."""

    def __init__(self, order: Order, state: State, say: Callable[[str], None]) -> None:
        self.order, self.state, self.say = order, state, say
        self.about: dict[str, Any] = {}
        self._link: BoardLink | None = None
        self._cable: Cable | None = None

    @property
    def link(self) -> BoardLink:
        """The board's prompt."""
        if self._link is None:
            self._link = BoardLink(self.order.port)
        return self._link

    @property
    def cable(self) -> Cable:
        """The running station."""
        if self._cable is None:
            self._cable = self.link.restart()
        return self._cable

    def close(self) -> None:
        """Let the port go."""
        if self._link is not None:
            self._link.close()
            self._link = None


class Step(NamedTuple):
    """`needed(session)`: what there is to do, "" for nothing; `act(session)`: what was done."""

    name: str
    needed: Callable[[Session], str]
    act: Callable[[Session], str]


def _firmware_needed(session: Session) -> str:
    about = session.about = flash.ask(session)
    if not about:
        return "flash MicroPython"
    session.state.claim(about["unique_id"])
    if about["mpy"] != MPY or tuple(about["version"]) < OLDEST:
        return f"flash MicroPython {'.'.join(map(str, OLDEST))} or newer"
    return "" if about["journal"] else "flash a partition table with a journal"


def _flash(session: Session) -> str:
    flash.write(session.order)
    session.close()
    left = _firmware_needed(session)
    if left:
        raise ProvisionError("firmware-too-old", f"after flashing still: {left}", "Take another.")
    return f"{session.about['machine']}"


def _agent_differs(session: Session) -> list[str]:
    if session.about.get("frozen"):
        return []
    return session.link.differing(agent_files())


def _agent_needed(session: Session) -> str:
    found = _agent_differs(session)
    return f"copy {len(found)} files of the agent" if found else ""


def _copy_agent(session: Session) -> str:
    return _copy(session, agent_files(), _agent_differs(session))


def _config_needed(session: Session) -> str:
    found = session.link.differing(session.order.files())
    return f"write {', '.join(found)}" if found else ""


def _configure(session: Session) -> str:
    files = session.order.files()
    return _copy(session, files, session.link.differing(files))


def _copy(session: Session, files: dict[str, bytes], names: list[str]) -> str:
    for number, name in enumerate(names, 1):
        session.link.write(name, files[name])
        session.say(f"{number}/{len(names)} {name}")
    left = session.link.differing({name: files[name] for name in names})
    if left:
        raise ProvisionError("copy-differs", f"expected {left} as written, found other content")
    return f"{len(names)} files"


def _key_needed(session: Session) -> str:
    session.link.call(on_board.CHECK)  # the configuration is right: the board itself says so
    held = session.link.call(on_board.PUBLIC_KEY)
    if held and held == session.state.values.get("public_key"):
        return ""
    return "take down the key of the board" if held else "make the key on the board"


def _make_key(session: Session) -> str:
    code = on_board.ENROL.format(entropy=secrets.token_hex(32))
    found = session.link.call(code)
    if found["public_key"] != session.state.values.get("public_key"):
        session.state.drop(_OF_THE_KEY)  # nothing that another key did counts for this one
    session.state.keep(**found)
    return f"device {found['device_id']}, class {found['key_class']}"


def _proof_needed(session: Session) -> str:
    kept = session.state.values
    if not session.state.has(["proof", "nonce"]):
        return "have the board prove that it holds the key"
    proof, nonce = bytes.fromhex(kept["proof"]), bytes.fromhex(kept["nonce"])
    check_proof(proof, nonce, bytes.fromhex(kept["public_key"]), kept["key_class"])
    return ""


def _prove(session: Session) -> str:
    kept, nonce = session.state.values, secrets.token_bytes(32)
    proof = bytes.fromhex(session.link.call(on_board.PROVE.format(nonce=nonce.hex())))
    check_proof(proof, nonce, bytes.fromhex(kept["public_key"]), kept["key_class"])
    session.state.keep(nonce=nonce.hex(), proof=proof.hex())
    return "verified"


def _clock_needed(session: Session) -> str:
    return "set the clock"


def _set_clock(session: Session) -> str:
    off_ms = session.link.call(on_board.CLOCK.format(t_unix_ms=int(time.time() * 1000)))
    if abs(off_ms) > _CLOCK_OFF_MS:
        raise ProvisionError("clock-not-set", f"expected the time, found it {off_ms} ms off")
    return f"{off_ms} ms off"


def _always(text: str) -> Callable[[Session], str]:
    return lambda session: text


def _self_test(session: Session) -> str:
    end = time.monotonic() + session.order.wait_s
    while True:
        checks = _asked(session, end)
        bad = [f"{name}: {text}" for name, good, text in checks if not good]
        wrong = [one for one in bad if not one.startswith(_LATER)]
        if checks and not wrong:
            break
        if time.monotonic() > end:
            raise ProvisionError(
                "self-test", f"expected every check to pass, found {'; '.join(wrong)}", _REMEDY
            )
        time.sleep(_PAUSE_S)
    about = inspect.state(session.cable)
    session.state.keep(checks=[list(one) for one in checks], firmware=about["firmware"])
    session.state.keep(meters=about["meters"])
    return f"{len(checks) - len(bad)} of {len(checks)} checks pass" + "".join(
        f"; later: {one}" for one in bad
    )


_REMEDY: Final = "Check wiring, address and settings of the meter; `meterseal inspect` says more."


def _asked(session: Session, end: float) -> list[tuple[str, bool, str]]:
    try:
        return inspect.check(session.cable)
    except (InspectionError, EnvironmentProblem):
        if time.monotonic() > end:
            raise
        return []


def enrolment(session: Session) -> dict[str, Any]:
    """Fields of the entry `enrol`."""
    kept = session.state.values
    more = {name: kept[name] for name in ("firmware", "provisioning_hash", "nonce", "proof")}
    board = session.order.board or session.about.get("machine") or "unknown"
    public_key = bytes.fromhex(kept["public_key"])
    station, key_class = session.order.station, kept["key_class"]
    return enrol_fields(public_key, station, key_class, board=board, **more)


BEFORE_BATCH: Final = (
    Step("firmware", _firmware_needed, _flash),
    Step("agent", _agent_needed, _copy_agent),
    Step("configuration", _config_needed, _configure),
    Step("key", _key_needed, _make_key),
    Step("proof", _proof_needed, _prove),
    Step("clock", _clock_needed, _set_clock),
    Step("self-test", _always("start the station and check it"), _self_test),
)
