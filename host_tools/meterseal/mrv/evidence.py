"""What goes into an evidence pack, and how it becomes a request again."""

import json
import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from meterseal import __version__
from meterseal.errors import VerificationError
from meterseal.mrv.activity import parse_activity
from meterseal.mrv.archive import Archive
from meterseal.mrv.cuts import Period
from meterseal.mrv.exact import pretty, sha256_hex
from meterseal.mrv.pack import HASHES, RAW, Member, Pack, member, write_pack
from meterseal.mrv.run import Outcome, Request

ACTIVITY: Final = "activity.toml"
METHODOLOGY: Final = "methodology.toml"
TRUST: Final = "trust.json"
BOOK: Final = "book.json"
REPORT: Final = "report.json"
BATCH_LIST: Final = "batches.json"


def write_evidence(path: Path, outcome: Outcome, report_data: bytes, fetch: str = "") -> None:
    """Pack of a report. `fetch`: where the raw batches are; the pack then holds their hashes."""
    write_pack(path, _facts(outcome, fetch), members_of(outcome, report_data, fetch))


def members_of(outcome: Outcome, report_data: bytes, fetch: str = "") -> list[Member]:
    """The members of the pack of a report, in order."""
    request = outcome.request
    activity = request.activity
    tables = tomllib.loads(activity.data.decode())
    files = {tables["inputs"][name]: data for name, data in activity.inputs.files.items()}
    members = [member(ACTIVITY, activity.data), member(BOOK, request.book_data)]
    members.append(member(METHODOLOGY, activity.methodology.data))
    members += [member(f"inputs/{name}", data) for name, data in sorted(files.items())]
    members += [
        member(f"other-books/{i}.json", data) for i, data in enumerate(request.other_books)
    ]
    members += [member(f"profiles/{name}", data) for name, data in _profiles(outcome)]
    members += [member(TRUST, request.trust_data), member(REPORT, report_data)]
    return members + _batches(outcome, fetch)


def _facts(outcome: Outcome, fetch: str) -> dict[str, Any]:
    request = outcome.request
    return {
        "made_with": f"meterseal {__version__}",
        "batches": HASHES if fetch else RAW,
        "fetch": fetch,
        "first_day": request.period.first.isoformat(),
        "last_day": request.period.last.isoformat(),
        "anchors": list(request.anchors),
        "second_anchors": list(request.second_anchors),
        "supersedes": request.supersedes,
        "demo": int(request.demo),
        "final": int(request.final),
        "damaged_bytes": outcome.damaged_bytes,
    }


def _profiles(outcome: Outcome) -> list[tuple[str, bytes]]:
    return sorted((f"{sha256_hex(data)}.json", data) for data in outcome.request.profiles)


def _batches(outcome: Outcome, fetch: str) -> list[Member]:
    archive = Archive(outcome.request.paths)
    devices = [one.device for one in outcome.results]
    if not fetch:
        return [Member(f"batches/{one}.cborseq", _source(archive, one)) for one in devices]
    hashes = {one: [sha256_hex(raw) for raw in archive.batches(one)] for one in devices}
    return [member(BATCH_LIST, pretty({"fetch": fetch, "sha256": hashes}))]


def _source(archive: Archive, device: str) -> Callable[[], Iterator[bytes]]:
    return lambda: archive.batches(device)


def request_of(pack: Pack, folder: Path, archives: tuple[Path, ...] = ()) -> Request:
    """The request that a pack was made with; raw batches are written below `folder`.

    Raises VerificationError `pack-manifest`, `pack-batches`; MethodologyError for its inputs.
    """
    facts = pack.manifest

    def read(name: str) -> bytes:
        return pack.read(f"inputs/{name}")

    activity = parse_activity(pack.read(ACTIVITY), read, ACTIVITY, pack.read(METHODOLOGY))
    paths = _write_batches(pack, folder) if facts["batches"] == RAW else archives
    try:
        period = Period(
            date.fromisoformat(facts["first_day"]),
            date.fromisoformat(facts["last_day"]),
            activity.offset_min,
        )
        return Request(
            activity=activity,
            period=period,
            paths=paths,
            trust_data=pack.read(TRUST),
            profiles=tuple(_read_all(pack, "profiles/")),
            book_data=pack.read(BOOK),
            other_books=tuple(_read_all(pack, "other-books/")),
            anchors=tuple(facts["anchors"]),
            second_anchors=tuple(facts["second_anchors"]),
            supersedes=facts["supersedes"],
            demo=bool(facts["demo"]),
            final=bool(facts["final"]),
            damaged_bytes=int(facts["damaged_bytes"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise VerificationError(
            "pack-manifest", f"expected a complete manifest, found {problem!r}"
        ) from problem


def check_batch_list(pack: Pack, archive: Archive) -> None:
    """Whether an archive holds exactly the batches of a pack of hashes.

    Raises VerificationError `pack-batches`.
    """
    listed = json.loads(pack.read(BATCH_LIST))["sha256"]
    for device, hashes in listed.items():
        found = [sha256_hex(raw) for raw in archive.batches(device)]
        if found != hashes:
            raise VerificationError(
                "pack-batches",
                f"device {device}: expected the {len(hashes)} batches of the pack, "
                f"found {len(found)} or others",
                "Fetch the raw batches from where the pack says and give them with --archive.",
            )


def _read_all(pack: Pack, prefix: str) -> list[bytes]:
    return [pack.read(name) for name in pack.names() if name.startswith(prefix)]


def _write_batches(pack: Pack, folder: Path) -> tuple[Path, ...]:
    paths = []
    for number, name in enumerate(pack.names()):
        if name.startswith("batches/"):
            paths.append(folder / f"{number}.cborseq")
            pack.extract(name, paths[-1])
    return tuple(paths)
