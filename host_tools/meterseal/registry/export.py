"""Exports of the registry: trust files that verification takes."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from meterseal.errors import RegistryError
from meterseal.registry.log import Registry
from meterseal.trust_json import parse
from meterseal.trust_write import sign


def export(
    registry: Registry,
    operator_keys: Sequence[ec.EllipticCurvePrivateKey],
    former: bytes | None = None,
) -> bytes:
    """Bytes of a trust file with every entry, signed by the operator's keys.

    `former`: an earlier export, which this one has to go on from. Raises RegistryError
    `registry-empty`, `registry-rewritten`.
    """
    entries = registry.entries()
    if not entries:
        raise RegistryError(
            "registry-empty", "expected entries, found none", "Provision or add a device first."
        )
    if former is not None:
        known = parse(former).get("entries")
        if not isinstance(known, list) or entries[: len(known)] != known:
            raise RegistryError(
                "registry-rewritten",
                "expected a registry that goes on from the earlier export, found other entries",
                "Somebody rewrote the registry: compare the two before you sign anything.",
            )
    return sign(entries, *operator_keys)
