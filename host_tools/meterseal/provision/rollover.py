"""A new key for a board in service, which its old key has signed; by the cable."""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from meterseal.errors import RegistryError
from meterseal.provision import on_board
from meterseal.provision.errors import ProvisionError
from meterseal.provision.link import BoardLink
from meterseal.registry.acts import enrol_fields
from meterseal.registry.proof import check_proof
from meterseal.trust_json import canonical
from meterseal.trust_keys import kid_of
from meterseal.trust_rollover import check_statement

ENROLMENT: Final = "enrolment.json"
STATEMENT: Final = "statement.cose"


def roll_over(
    port: str, device: str, station: str, key_class: str
) -> tuple[dict[str, Any], bytes]:
    """(fields of the new key's enrolment, statement of the old key). The station runs again after.

    Given again after an interruption it says the same: the board keeps the statement. Raises
    ProvisionError `board-silent`, or with the board's code; RegistryError `possession-proof`.
    """
    nonce = secrets.token_bytes(32)
    link = BoardLink(port)
    try:
        entropy = secrets.token_hex(32)
        made = link.call(on_board.ROLL_OVER.format(device=device, entropy=entropy))
        proof = bytes.fromhex(link.call(on_board.PROVE.format(nonce=nonce.hex())))
    finally:
        with suppress(ProvisionError):
            link.reset()
        link.close()
    public_key, statement = (bytes.fromhex(made[name]) for name in ("public_key", "statement"))
    check_proof(proof, nonce, public_key, key_class)
    if kid_of(public_key).hex() == device:
        raise ProvisionError("rollover-key", "expected a new key, found the old one", "Try again.")
    more = {"nonce": nonce.hex(), "proof": proof.hex()}
    return enrol_fields(public_key, station, key_class, **more), statement


def check_against(statement: bytes, old: bytes, enrolment: dict[str, Any]) -> None:
    """The old key of the registry has signed the new one. RegistryError `rollover-statement`."""
    try:
        check_statement(statement, old, bytes.fromhex(enrolment["public_key"]))
    except RegistryError as problem:
        problem.remedy = "Keep the files: the board has its new key. Ask who replaced the board."
        raise


def write(folder: Path, enrolment: dict[str, Any], statement: bytes) -> None:
    """The files that `meterseal devices rollover` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ENROLMENT).write_bytes(canonical(enrolment) + b"\n")
    (folder / STATEMENT).write_bytes(statement)
