"""The last steps: the first sealed batch, verified; the registry; report and label."""

import secrets
from typing import Any, Final

from meterseal.onsite import inspect
from meterseal.provision.errors import ProvisionError
from meterseal.provision.order import Order
from meterseal.provision.report import write_report
from meterseal.provision.steps import BEFORE_BATCH, Session, Step, enrolment
from meterseal.registry.log import Fact
from meterseal.registry.sync import facts_document, hand_in, read_facts
from meterseal.resources import profiles_dir
from meterseal.trust import Trust, TrustedKey
from meterseal.trust_keys import kid_of
from meterseal.trust_write import now
from meterseal.verify import Refuse, Verifier
from meterseal.verify.totals import ProfileTotals

BATCHES: Final = "first-batches.cborseq"
FACTS: Final = "facts.json"


def _batch_needed(session: Session) -> str:
    return "" if session.state.has(["batch"]) else "have a batch sealed and verify it"


def _seal(session: Session) -> str:
    totals = ProfileTotals.load(profiles_dir())
    sealed = inspect.challenge(session.cable, secrets.token_bytes(16), totals)
    found = inspect.pull(session.cable)
    count = verify_first([raw for _, raw in found], session.state.values, totals)
    if sealed.raw not in [raw for _, raw in found]:
        raise ProvisionError(
            "first-batch",
            f"expected batch {sealed.number} in the chain of the enrolled key, found it nowhere",
            "Do not register this board: it answered with another key.",
        )
    (session.order.out / BATCHES).write_bytes(b"".join(raw for _, raw in found))
    registers = [[one.unit, one.profile, one.energy_import_mwh] for one in sealed.registers]
    session.state.keep(batch=sealed.number, batch_hash=sealed.batch_hash.hex())
    session.state.keep(registers=registers)
    return f"batch {sealed.number} verified, with {count} in the chain"


def verify_first(batches: list[bytes], kept: dict[str, Any], totals: ProfileTotals) -> int:
    """How many batches this key sealed. Raises ProvisionError `first-batch`, VerificationError."""
    public_key = bytes.fromhex(kept["public_key"])
    key = TrustedKey(kid_of(public_key), public_key, kept["key_class"], "")
    trust = Trust({key.kid: key}, "", "", False)
    verifier = Verifier(trust=trust, policy=Refuse("key-class-mismatch"), totals=totals)
    for raw in batches:
        verifier.verify(raw)
    if not batches:
        raise ProvisionError("first-batch", "expected a sealed batch, found none", "Try again.")
    return len(batches)


def _registry_needed(session: Session) -> str:
    if session.state.has(["registered"]):
        return ""
    return "register the device" if session.order.registry else f"write {FACTS} for the registry"


def _register(session: Session) -> str:
    document = session.state.values.get("facts")
    if document is None:  # made once: handing the same facts in twice changes nothing
        document = facts_document(_facts(session))
        session.state.keep(facts=document)
    write_json(session.order, FACTS, document)
    if not session.order.registry:
        session.state.keep(registered="later")
        return f"{FACTS}: hand it in with `meterseal devices sync`"
    from meterseal.collector.registry_database import open_registry

    done = hand_in(open_registry(session.order.registry), read_facts(document))
    session.state.keep(registered=session.order.registry)
    return f"{len(done.made)} entries; they count once countersigned"


def _facts(session: Session) -> list[Fact]:
    """The enrolment, and the meters that the order describes, with their registers."""
    order, at = session.order, now()
    found = [Fact("enrol", enrolment(session), at, order.by)]
    energy = {unit: mwh for unit, _, mwh in session.state.values["registers"]}
    for meter in order.meters:
        read = {"station": order.station, "device_id": session.state.values["device_id"]}
        read |= {"from": at, "register_wh": (energy.get(meter.get("unit_id")) or 0) // 1000}
        found.append(Fact("meter-install", meter | read, at, order.by))
    return found


def write_json(order: Order, name: str, value: Any) -> None:
    """A file of the order's directory."""
    import json

    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    (order.out / name).write_text(text, encoding="utf-8")


def _report(session: Session) -> str:
    return ", ".join(write_report(session.order, session.state.values))


STEPS: Final = (
    *BEFORE_BATCH,
    Step("batch", _batch_needed, _seal),
    Step("registry", _registry_needed, _register),
    Step("report", lambda session: "write report and label", _report),
)
