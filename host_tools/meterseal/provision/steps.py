"""The steps that need the board's prompt. Each finds out first whether it is needed.

`Session.link` is the board in its raw REPL; after `restart` the station runs and `cable` asks it.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from meterseal.onsite.cable import Cable
from meterseal.provision import element, flash, on_board
from meterseal.provision.errors import ProvisionError
from meterseal.provision.image import agent_files, version
from meterseal.provision.link import BoardLink
from meterseal.provision.order import Order, State
from meterseal.provision.record import record_of
from meterseal.registry.proof import check_proof

OLDEST: Final = (1, 28, 0)
MPY: Final = 6
_OF_THE_KEY: Final = (
    *("proof", "nonce", "checks", "meters", "firmware", "record", "chain"),
    *("batch", "batch_hash", "registers", "registered", "enrolled_at"),
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
        """Let the port go; the board stays as it is."""
        if self._link is not None:
            self._link.close()
        self._link = self._cable = None

    def leave(self) -> None:
        """Let the port go, whatever happened: what can run on the board runs again."""
        if self._link is not None and self._cable is None:
            with suppress(ProvisionError):
                self._link.reset()
        self.close()


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
    frozen = about["frozen"]
    if session.order.image and frozen and frozen != list(version()):
        return f"flash the image with version {version()[0]} of the agent"
    return "" if about["journal"] else "flash a partition table with a journal"


def _flash(session: Session) -> str:
    session.close()
    session.state.keep(image=flash.write(session.order))
    left = _firmware_needed(session)
    if left:
        raise ProvisionError("firmware-too-old", f"after flashing still: {left}", "Take another.")
    return f"{session.about['machine']}"


def _agent_differs(session: Session) -> tuple[list[str], list[str]]:
    """Files to copy, and files that have to go: an import might find them first.

    Raises ProvisionError `agent-frozen` if the image has another version of the agent.
    """
    frozen = session.about["frozen"]
    if frozen and frozen != list(version()):
        raise ProvisionError(
            "agent-frozen",
            f"expected version {version()[0]} of the agent in the image, found {frozen[0]} "
            f"(built {frozen[1]})",
            "Flash the image of this version, or take the meterseal of the image's.",
        )
    wanted = {} if frozen else agent_files()
    strays = [name for name in session.link.call(on_board.CODE, bare=True) if name not in wanted]
    return session.link.differing(wanted), sorted(strays)


def _agent_needed(session: Session) -> str:
    copied, strays = _agent_differs(session)
    text = [f"copy {len(copied)} files of the agent"] if copied else []
    text += [f"remove {', '.join(strays[:5])}{' ...' * (len(strays) > 5)}"] if strays else []
    return ", ".join(text)


def _copy_agent(session: Session) -> str:
    copied, strays = _agent_differs(session)
    if strays:
        session.link.call(on_board.REMOVE.format(names=strays), bare=True)
        session.close()  # the next one begins with a soft reset: nothing of them stays in memory
    done = _copy(session, agent_files(), copied)
    if left := _agent_needed(session):
        raise ProvisionError("copy-differs", f"expected the agent alone, found left: {left}", "")
    return done + (f", {len(strays)} removed" if strays else "")


def _config_needed(session: Session) -> str:
    element.settle(session)
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
    held = _held(session).get("public_key")
    if held and held == session.state.values.get("public_key"):
        return ""
    return "take down the key of the board" if held else "make the key on the board"


def _held(session: Session, record: str = "") -> dict[str, Any]:
    """Key and provisioning hash of the board; `record`: hash to state with its first batch."""
    found: dict[str, Any] = session.link.call(on_board.KEY.format(record=record))
    return found


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


def _record_needed(session: Session) -> str:
    """The record is the one that the board states, or the board states another one for good."""
    kept, held = session.state.values, _held(session)
    session.state.keep(provisioning_hash=held["provisioning_hash"])
    if held["begun"]:
        return ""
    record = record_of(session.order, session.about, kept)
    stated = kept.get("record", {}).get("sha256") == held["provisioning_hash"]
    return "" if stated and record.says_the_same(kept["record"]) else "put the board on record"


def _keep_record(session: Session) -> str:
    record = record_of(session.order, session.about, session.state.values)
    held = _held(session, record.sha256)
    if held["provisioning_hash"] != record.sha256:
        raise ProvisionError("record", "expected the board to state the record's hash", "")
    record.write(session.order.out)
    kept = {"sha256": record.sha256, "values": record.values}
    session.state.keep(record=kept, provisioning_hash=record.sha256)
    return record.sha256


AT_THE_PROMPT: Final = (
    Step("firmware", _firmware_needed, _flash),
    Step("agent", _agent_needed, _copy_agent),
    Step("configuration", _config_needed, _configure),
    Step("key", _key_needed, _make_key),
    Step("proof", _proof_needed, _prove),
    Step("record", _record_needed, _keep_record),
)
