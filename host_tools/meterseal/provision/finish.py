"""The last steps: the first sealed batch, verified; the registry; report and label."""

import json
import secrets
from typing import Any, Final

from meterseal.onsite import inspect
from meterseal.provision.errors import ProvisionError
from meterseal.provision.facts import facts_of, missing
from meterseal.provision.order import Order
from meterseal.provision.report import write_report
from meterseal.provision.running import WHILE_IT_RUNS, needed, patiently
from meterseal.provision.steps import AT_THE_PROMPT, Session, Step
from meterseal.registry.acts import Acts
from meterseal.registry.log import Fact, Registry
from meterseal.registry.sync import facts_document, hand_in
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of
from meterseal.trust_write import now
from meterseal.verify import Refuse, VerifiedBatch, Verifier
from meterseal.verify.totals import ProfileTotals

BATCHES: Final = "first-batches.cborseq"
FACTS: Final = "facts.json"
_RECORD_HASH: Final = 1  # of a genesis, WIRE_FORMAT.md section 9


def _batch_needed(session: Session) -> str:
    """The board still holds the chain of the batch that was verified, with these meters."""
    text = "have a batch sealed and verify it"
    kept = session.state.values
    if not session.state.has(["batch", "batch_hash", "batch_chain", "registers"]):
        return text
    about = patiently(session, inspect.state)
    same = about["public_key"] == kept["public_key"] and about["chain"] == kept["batch_chain"]
    units = sorted(one["unit_id"] for one in about["meters"])
    read = sorted(one[0] for one in kept["registers"])
    return "" if same and about["batch"] >= kept["batch"] and units == read else text


def _seal(session: Session) -> str:
    totals = ProfileTotals.load(profiles_dir())
    sealed = inspect.challenge(session.cable, secrets.token_bytes(16), totals)
    found = [raw for _, raw in inspect.pull(session.cable)]
    batches = verify_first(found, session.state.values, totals)
    if sealed.raw not in found:
        raise ProvisionError(
            "first-batch",
            f"expected batch {sealed.number} in the chain of the enrolled key, found it nowhere",
            "Do not register this board: it answered with another key.",
        )
    check_genesis(batches, session.state.values)
    (session.order.out / BATCHES).write_bytes(b"".join(found))
    registers = [
        [one.unit, one.profile, one.energy_import_mwh, one.serial] for one in sealed.registers
    ]
    chain = batches[-1].contents.chain.hex()
    session.state.keep(batch=sealed.number, batch_hash=sealed.batch_hash.hex(), batch_chain=chain)
    session.state.keep(registers=registers)
    return f"batch {sealed.number} verified, with {len(found)} in the chain"


def verify_first(
    batches: list[bytes], kept: dict[str, Any], totals: ProfileTotals
) -> list[VerifiedBatch]:
    """The batches, sealed by this key. Raises ProvisionError `first-batch`, VerificationError."""
    public_key = bytes.fromhex(kept["public_key"])
    key = TrustedKey(kid_of(public_key), public_key, kept["key_class"], "")
    trust = Trust({key.kid: key}, "", "", False)
    verifier = Verifier(trust=trust, policy=Refuse("key-class-mismatch"), totals=totals)
    if not batches:
        raise ProvisionError("first-batch", "expected a sealed batch, found none", "Try again.")
    return [verifier.verify(raw) for raw in batches]


def check_genesis(batches: list[VerifiedBatch], kept: dict[str, Any]) -> None:
    """The chain states the provisioning record. Raises ProvisionError `first-batch`.

    A chain that does not begin with its first batch here says nothing about it.
    """
    genesis = batches[0].contents.genesis or {}
    stated = genesis.get(_RECORD_HASH)
    if stated is not None and bytes(stated).hex() != kept["provisioning_hash"]:
        raise ProvisionError(
            "first-batch",
            f"expected the provisioning hash {kept['provisioning_hash']} in the chain's first "
            f"batch, found {bytes(stated).hex()}",
            "Provision the board anew with a new key.",
        )


def _missing(session: Session) -> list[Fact]:
    """Facts as they are now, without those that the registry has."""
    if "enrolled_at" not in session.state.values:
        session.state.keep(enrolled_at=now())
    machine = session.about.get("machine", "")
    facts = facts_of(session.order, session.state.values, machine)
    registry = _registry(session.order)
    return facts if registry is None else list(missing(registry.state(), facts))


def _registry(order: Order) -> Registry | None:
    from meterseal.collector.registry_database import open_registry

    return open_registry(order.registry) if order.registry else None


def _registry_needed(session: Session) -> str:
    if "registers" not in session.state.values:
        return "register the device"
    facts = _missing(session)
    if session.order.registry:
        return f"register {', '.join(one.kind for one in facts)}" if facts else ""
    path = session.order.out / FACTS
    written = path.read_text(encoding="utf-8") if path.is_file() else ""
    return "" if written == _text(facts_document(facts)) else f"write {FACTS} for the registry"


def _register(session: Session) -> str:
    order, facts = session.order, _missing(session)
    registry = _registry(order)
    if registry is None:
        (order.out / FACTS).write_text(_text(facts_document(facts)), encoding="utf-8")
        session.state.keep(registered="later")
        return f"{FACTS}: hand it in with `meterseal devices sync`"
    made = _replace(order, registry, facts) if order.replaces else hand_in(registry, facts).made
    session.state.keep(registered=order.registry)
    return f"{len(made)} entries; they count once countersigned"


def _replace(order: Order, registry: Registry, facts: list[Fact]) -> list[Any]:
    """This board takes over the meters of another one, which is retired."""
    enrolments = [one for one in facts if one.kind == "enrol"]
    acts = Acts(registry, order.by)
    made = [
        entry
        for one in enrolments
        for entry in acts.replace_device(order.replaces, one.fields, one.at)
    ]
    rest = list(missing(registry.state(), [one for one in facts if one.kind != "enrol"]))
    return made + hand_in(registry, rest).made


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _report(session: Session) -> str:
    return ", ".join(write_report(session.order, session.state.values, session.about))


STEPS: Final = (
    *AT_THE_PROMPT,
    *WHILE_IT_RUNS,
    Step("batch", _batch_needed, _seal),
    Step("registry", _registry_needed, _register),
    Step("report", needed("write report and label"), _report),
)
