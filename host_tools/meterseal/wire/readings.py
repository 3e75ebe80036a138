"""The readings of payloads: taken together where they are in the usual form, one by one if not."""

from collections.abc import Iterator, Sequence
from itertools import islice

from meterseal.errors import MalformedBatch
from meterseal.models import Group
from meterseal.wire.columns import check_sequences, decode_readings
from meterseal.wire.fast_columns import Doubtful, decode_usual
from meterseal.wire.fast_payload import FastPayload
from meterseal.wire.packed import Payload

Readings = tuple[Group, ...]


def read_readings(payload: Payload) -> Readings:
    """The readings of one payload. Raises MalformedBatch as columns.py says."""
    (found,) = read_all([payload])
    if isinstance(found, MalformedBatch):
        raise found
    return found


def read_all(payloads: Sequence[Payload]) -> list[Readings | MalformedBatch]:
    """The readings of each payload, or why it is refused."""
    usual = [payload for payload in payloads if isinstance(payload, FastPayload)]
    try:
        groups = iter(decode_usual([group for payload in usual for group in payload.groups]))
        found = iter([_own(payload, groups) for payload in usual])
    except (Doubtful, MalformedBatch):
        return [_read_one(payload) for payload in payloads]
    return [
        next(found) if isinstance(payload, FastPayload) else _read_one(payload)
        for payload in payloads
    ]


def _own(payload: FastPayload, groups: Iterator[Group]) -> Readings:
    own = tuple(islice(groups, len(payload.groups)))
    if not payload.is_run:
        check_sequences(payload.contents, own)
    return own


def _read_one(payload: Payload) -> Readings | MalformedBatch:
    try:
        return decode_readings(payload.contents)
    except MalformedBatch as refusal:
        return refusal
