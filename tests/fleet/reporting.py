"""Runs a report over a fleet in files: the one module here that sees the host tools."""

from meterseal.mrv.activity import load_activity
from meterseal.mrv.book import load_book
from meterseal.mrv.cuts import parse_period
from meterseal.mrv.run import Request
from meterseal.resources import profiles_dir

from tests.fleet.registry import fingerprint


def anchors_of(fleet):
    """Fingerprints of the operator's and of the second role's key."""
    registry = fleet.registry
    return (fingerprint(registry.operator),), (fingerprint(registry.second),)


def request_of(folder, fleet, **options):
    """The request that the command line would make of a fleet's files."""
    activity = load_activity(folder / "activity.toml")
    plan = fleet.plan
    operator, second = anchors_of(fleet)
    other = folder / "other-book.json"
    return Request(
        activity=activity,
        period=parse_period(f"{plan.first}..{plan.last}", activity.offset_min),
        paths=(folder / "archive",),
        trust_data=(folder / "trust.json").read_bytes(),
        profiles=tuple(path.read_bytes() for path in sorted(profiles_dir().glob("*.json"))),
        book_data=load_book(folder / "book.json"),
        other_books=(other.read_bytes(),) if other.exists() else (),
        **{"anchors": operator, "second_anchors": second, **options},
    )
