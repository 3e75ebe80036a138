"""A third party's view: recompute a report from its evidence pack, trusting nothing in it.

Every signature is verified again, every figure computed again, and the report compared byte for
byte. Whose keys these are comes from outside the pack: without anchors the verdict is UNANCHORED.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from meterseal.errors import VerificationError
from meterseal.mrv.archive import Archive
from meterseal.mrv.devices import Spread, run_here
from meterseal.mrv.evidence import REPORT, check_batch_list, members_of, request_of
from meterseal.mrv.exact import pretty
from meterseal.mrv.methodology import is_shipped
from meterseal.mrv.pack import HASHES, Pack, listing
from meterseal.mrv.run import Outcome, run
from meterseal.trust import parse_trust

Build = Callable[[Outcome], dict[str, Any]]
"""Makes the document of a report (report/document.py)."""


@dataclass(frozen=True)
class Recomputed:
    """The report that a pack holds and its keys bear out."""

    document: dict[str, Any]
    anchored: bool
    methodology_shipped: bool
    """Whether the profile is one that comes with this version, to the byte."""


def recompute(
    path: Path,
    build: Build,
    anchors: Collection[str] = (),
    second_anchors: Collection[str] = (),
    archives: tuple[Path, ...] = (),
    demo: bool = False,
    spread: Spread = run_here,
    previous_head: str = "",
) -> Recomputed:
    """The recomputed report.

    Raises VerificationError: `pack-...`; `trust-anchor` and `trust-second-role` if other keys
    signed than the anchors; `key-simulated` for a demonstration without `demo`; `book-head` if
    the reports before are not those that `previous_head` names;
    `report-differs` with the place of the first difference.
    """
    pack = Pack(path)
    if pack.manifest.get("demo") and not demo:
        raise VerificationError(
            "key-simulated",
            "expected a report on real stations, found a demonstration",
            "Give --demo to look at it anyway.",
        )
    with TemporaryDirectory(prefix="meterseal-recompute-") as folder:
        request = request_of(pack, Path(folder), archives)
        if pack.manifest["batches"] == HASHES:
            check_batch_list(pack, Archive(archives))
        outcome = run(request, spread)
        check_anchors(outcome, anchors, second_anchors)
        _check_head(outcome, previous_head)
        document = build(outcome)
        _check_report(pack, document)
        _check_members(pack, outcome)
    shipped = is_shipped(outcome.request.activity.methodology)
    anchored = outcome.anchored and bool(anchors) and bool(second_anchors)
    return Recomputed(document, anchored, shipped)


def _check_head(outcome: Outcome, previous_head: str) -> None:
    if previous_head and outcome.state.head != previous_head:
        raise VerificationError(
            "book-head",
            f"expected the reports before to end with {previous_head}, "
            f"found {outcome.state.head or 'none'}",
            "A report before was left out, or another book was used: ask for the right one.",
        )


def _check_report(pack: Pack, document: dict[str, Any]) -> None:
    found, expected = pack.read(REPORT), pretty(document)
    if found != expected:
        raise VerificationError(
            "report-differs",
            f"expected the recomputed report, found another: {first_difference(found, document)}",
            "Do not use the figures of this pack.",
        )


def _check_members(pack: Pack, outcome: Outcome) -> None:
    """Nothing else is in the pack: no member, no bytes between batches, that no check has seen."""
    members = members_of(outcome, pack.read(REPORT), str(pack.manifest["fetch"]))
    if [listing(one) for one in members] != pack.manifest["members"]:
        raise VerificationError(
            "pack-members",
            "expected exactly what the report was computed from, found more or others",
            "Get the pack again from who made it; do not use this one.",
        )


def check_anchors(
    outcome: Outcome, anchors: Collection[str], second_anchors: Collection[str]
) -> None:
    """Raises TrustError `trust-anchor`, VerificationError `trust-second-role`."""
    if anchors:
        parse_trust(outcome.request.trust_data, anchors)
    others = outcome.registry.second_roles - set(second_anchors)
    if second_anchors and others:
        raise VerificationError(
            "trust-second-role",
            f"expected countersignatures by the given keys alone, found {sorted(others)[0]}",
            "Somebody else countersigned meters of this pack: do not use its figures.",
        )


def first_difference(found: bytes, expected: dict[str, Any]) -> str:
    """Where a report of a pack departs from the recomputed one."""
    try:
        document = json.loads(found)
    except ValueError:
        return "it is not JSON"
    return _difference(document, expected, "") or "the layout of the file"


def _difference(found: Any, expected: Any, where: str) -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            if difference := _difference(found.get(key), expected.get(key), f"{where}/{key}"):
                return difference
        return ""
    if isinstance(found, list) and isinstance(expected, list):
        for index, pair in enumerate(zip(found, expected, strict=False)):
            if difference := _difference(*pair, f"{where}/{index}"):
                return difference
        return "" if len(found) == len(expected) else f"{where}: another number of items"
    return "" if found == expected else f"{where}: {found!r:.60} instead of {expected!r:.60}"
