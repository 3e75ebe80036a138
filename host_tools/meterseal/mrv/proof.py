"""Inclusion proofs: that a reading is in a batch, and the batch under the root of a report.

A proof carries the raw batch and two paths (RFC 6962 section 2.1.1): from the batch to the root of
its device, from the device to the root that the report prints.
"""

import json
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any, Final

from meterseal.errors import EnvironmentProblem, PolicyRefused, VerificationError
from meterseal.models import KEY_CLASSES
from meterseal.mrv.archive import Archive
from meterseal.mrv.devices import SIMULATED, ReportPolicy
from meterseal.mrv.merkle import audit_path, device_leaf, leaf_hash, root_from_path
from meterseal.trust import Trust
from meterseal.verify.verifier import Decoded, Verifier

FORMAT: Final = "meterseal-proof"


@dataclass(frozen=True)
class Proven:
    """What a proof shows. `raw`: the batch; `root`: hex, to be compared with the report's."""

    device: str
    sequence: int
    number: int
    root: str
    raw: bytes


def read_proof(path: Path, root: str) -> dict[str, Any]:
    """A proof from a file, held against the root of a report.

    Raises EnvironmentProblem `proof-unreadable`, VerificationError `proof-form`, `proof-root`.
    """
    try:
        proof: dict[str, Any] = json.loads(path.read_bytes())
    except OSError as problem:
        raise EnvironmentProblem("proof-unreadable", f"expected a proof: {problem}") from problem
    except ValueError as problem:
        raise VerificationError("proof-form", f"expected JSON, found {problem}") from problem
    if not isinstance(proof, dict) or proof.get("merkle_root") != root:
        raise VerificationError(
            "proof-root",
            f"expected a proof for the root {root!r}, found one for another",
            "Give --root as the report prints it.",
        )
    return proof


def make_proof(
    document: dict[str, Any],
    archive: Archive,
    trust: Trust,
    device: str,
    sequence: int,
    demo: bool = False,
) -> dict[str, Any]:
    """Proof for one reading of a report.

    Raises VerificationError `proof-reading` if no batch of the device has it,
    `proof-root` if the archive is not the one of the report.
    """
    verifier = Verifier(trust=trust, policy=ReportPolicy(demo))
    mine, theirs = tee(archive.batches(device))
    leaves: list[bytes] = []
    found: tuple[int, bytes] | None = None
    for raw, one in zip(mine, verifier.decode_each(theirs), strict=True):
        if found is None and isinstance(one, Decoded) and _holds(one, sequence):
            found = len(leaves), raw
        leaves.append(leaf_hash(raw))
    if found is None:
        raise VerificationError(
            "proof-reading",
            f"expected reading {sequence} of device {device}, found none among "
            f"{len(leaves)} batches",
            "Correct --device or --sequence.",
        )
    devices = document["evidence"]["devices"]
    names = [one["device"] for one in devices]
    if device not in names:
        raise VerificationError(
            "proof-reading",
            f"expected one of the {len(names)} devices of the report, found {device}",
            "Correct --device.",
        )
    upper = [leaf_hash(_leaf(one)) for one in devices]
    proof = {
        "format": FORMAT,
        "version": 1,
        "report": document["report"]["id"],
        "merkle_root": document["evidence"]["merkle_root"],
        "device": device,
        "sequence": sequence,
        "batch": found[1].hex(),
        "batch_index": found[0],
        "batches": len(leaves),
        "batch_path": [one.hex() for one in audit_path(leaves, found[0])],
        "device_index": names.index(device),
        "devices": len(names),
        "device_path": [one.hex() for one in audit_path(upper, names.index(device))],
    }
    check_proof(proof, trust, demo)
    return proof


def check_proof(proof: dict[str, Any], trust: Trust, demo: bool = False) -> Proven:
    """What a proof shows, once its paths, its signature and its reading are checked.

    Raises VerificationError `proof-form`, `proof-root`, `proof-reading`, those of the
    batch; PolicyRefused `key-simulated`.
    """
    try:
        if (proof["format"], proof["version"]) != (FORMAT, 1):
            raise ValueError(f"format {proof['format']!r}")
        raw, sequence = bytes.fromhex(proof["batch"]), int(proof["sequence"])
        lower = _climb(leaf_hash(raw), proof, "batch", int(proof["batches"]))
        leaf = device_leaf(proof["device"], int(proof["batches"]), lower)
        root = _climb(leaf_hash(leaf), proof, "device", int(proof["devices"]))
        device, expected = str(proof["device"]), str(proof["merkle_root"])
    except (KeyError, TypeError, ValueError) as problem:
        text = f"expected a proof of version 1, found {problem!r}"
        raise VerificationError("proof-form", text, "Make the proof again.") from problem
    if root.hex() != expected:
        raise VerificationError(
            "proof-root",
            f"expected paths to the root {expected}, found {root.hex()}",
            "The batch is not in that report, or the archive has changed since.",
        )
    (one,) = Verifier(trust=trust, policy=ReportPolicy(demo)).decode_each([raw])
    if isinstance(one, VerificationError):
        raise one
    if not demo and KEY_CLASSES[one.sealed.contents.key_class] == SIMULATED:
        text = f"expected a real station, found the simulated one {device}"
        raise PolicyRefused("key-simulated", text, "Give --demo to look at it anyway.")
    if not _holds(one, sequence) or one.sealed.kid.hex() != device:
        text = f"expected reading {sequence} of {device} in the batch, found it is not there"
        raise VerificationError("proof-reading", text, "Do not rely on this proof.")
    return Proven(device, sequence, one.sealed.contents.number, expected, raw)


def _holds(one: Decoded, sequence: int) -> bool:
    return any(sequence in group.sequence for group in one.groups)


def _climb(leaf: bytes, proof: dict[str, Any], name: str, size: int) -> bytes:
    path = [bytes.fromhex(one) for one in proof[f"{name}_path"]]
    root = root_from_path(leaf, int(proof[f"{name}_index"]), size, path)
    if root is None:
        raise ValueError(f"{name}_path does not fit its tree")
    return root


def _leaf(device: dict[str, Any]) -> bytes:
    return device_leaf(device["device"], device["batches"], bytes.fromhex(device["root"]))
