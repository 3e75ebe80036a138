"""The steps that people take, as facts for the registry: some are several entries at once."""

from collections.abc import Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from meterseal.errors import RegistryError
from meterseal.registry.fields import fields_of
from meterseal.registry.log import Fact, Registry
from meterseal.trust import entry_hash
from meterseal.trust_countersigned import SECOND
from meterseal.trust_keys import kid_of, thumbprint
from meterseal.trust_write import Entry, now

Signers = Sequence[tuple[str, ec.EllipticCurvePrivateKey]]
_REVERSIBLE: Final = ("relabel", "station")


def enrol_fields(public_key: bytes, station: str, key_class: str, **more: Any) -> dict[str, Any]:
    """Fields of an enrolment of a key of 65 bytes; `more`: board, firmware, proof, ..."""
    return {
        "device_id": kid_of(public_key).hex(),
        "public_key": public_key.hex(),
        "thumbprint": thumbprint(public_key).hex(),
        "key_class": key_class,
        "station": station,
        **more,
    }


class Acts:
    """Enters steps into a registry, `by` somebody, signed by `signers`: (role, key)."""

    def __init__(self, registry: Registry, by: str = "", signers: Signers = ()) -> None:
        self._registry = registry
        self._by, self._signers = by, signers

    def enter(self, *facts: tuple[str, dict[str, Any]]) -> list[Entry]:
        """Entries of the given types with the given fields, all or none."""
        return self._registry.append(
            Fact(kind, fields, by=self._by, signers=self._signers) for kind, fields in facts
        )

    def countersign(self, number: int, second: ec.EllipticCurvePrivateKey) -> list[Entry]:
        """The second role confirms entry `number`."""
        entries = self._registry.entries()
        if not 1 <= number <= len(entries):
            text = f"expected an entry out of 1 to {len(entries)}, found {number}"
            raise RegistryError("countersign-target", text, "See `meterseal devices list`.")
        fields = {"of": number, "of_hash": entry_hash(entries[number - 1])}
        fact = Fact("countersign", fields, by=self._by, signers=[(SECOND, second)])
        return self._registry.append([fact])

    def relabel(self, device_id: str, station: str) -> list[Entry]:
        """The device stands at another station, or the station has another name, from now on."""
        return self.enter(("relabel", {"device_id": device_id, "station": station}))

    def revoke(self, device_id: str, since: str, reason: str) -> list[Entry]:
        """Nothing that the key seals from `since` on counts. Final."""
        return self.enter(
            ("revoke", {"device_id": device_id, "since": since or now(), "reason": reason})
        )

    def retire(self, device_id: str, since: str) -> list[Entry]:
        """The device goes out of service in good order."""
        return self.enter(("retire", {"device_id": device_id, "since": since or now()}))

    def replace_meter(self, removal: dict[str, Any], installation: dict[str, Any]) -> list[Entry]:
        """A meter out, another one in. Both wait for the second role."""
        return self.enter(("meter-remove", removal), ("meter-install", installation))

    def replace_device(
        self, old_device_id: str, enrolment: dict[str, Any], at_time: str
    ) -> list[Entry]:
        """Another board reads the same meters from `at_time` on; the old key is retired then."""
        at_time = at_time or now()
        new = enrolment["device_id"]
        return self.enter(
            ("enrol", {"valid_from": at_time, **enrolment}),
            (
                "replace-device",
                {"old_device_id": old_device_id, "new_device_id": new, "at_time": at_time},
            ),
            ("retire", {"device_id": old_device_id, "since": at_time}),
        )

    def rollover(
        self, old_device_id: str, enrolment: dict[str, Any], statement: bytes, at_time: str
    ) -> list[Entry]:
        """The same board goes on with a new key, which the old one named in `statement`."""
        at_time = at_time or now()
        named = {"old_device_id": old_device_id, "new_device_id": enrolment["device_id"]}
        return self.enter(
            ("enrol", {"valid_from": at_time, **enrolment}),
            ("rollover", {**named, "statement": statement.hex()}),
            ("replace-device", {**named, "at_time": at_time}),
            ("retire", {"device_id": old_device_id, "since": at_time}),
        )

    def undo(self, number: int) -> list[Entry]:
        """Take a relabelling or a station's data back, by an entry that says the former again.

        Raises RegistryError `registry-no-undo` for what cannot be taken back.
        """
        entries = self._registry.entries()
        target = entries[number - 1] if 1 <= number <= len(entries) else None
        if target is None or target["type"] not in _REVERSIBLE:
            kind = "no such entry" if target is None else target["type"]
            raise RegistryError(
                "registry-no-undo",
                f"entry {number}: expected {' or '.join(_REVERSIBLE)}, found {kind}",
                "An enrolment or a meter that is not countersigned counts for nothing: leave it. "
                "What is revoked stays revoked: enrol the board with a new key.",
            )
        former = _former(entries, target)
        note = {"text": f"entry {number} was a mistake", "reverses": number}
        return self.enter((target["type"], former), ("note", note))


def _former(entries: list[Entry], target: Entry) -> dict[str, Any]:
    """Fields that say what held before an entry."""
    subject = "device_id" if target["type"] == "relabel" else "station"
    types = ("relabel", "enrol") if subject == "device_id" else ("station",)
    for entry in reversed(entries[: target["n"] - 1]):
        if entry["type"] in types and entry[subject] == target[subject]:
            if subject == "device_id":
                return {"device_id": entry["device_id"], "station": entry["station"]}
            return fields_of(entry)
    raise RegistryError(
        "registry-no-undo",
        f"entry {target['n']}: expected an earlier entry about {target[subject]}, found none",
        "Enter the right data instead.",
    )
