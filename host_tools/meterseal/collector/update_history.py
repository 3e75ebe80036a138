"""What stations sealed about updates and certificates, each batch verified once.

Signatures are verified here again: nobody can make a roll-out go on, or look as if it had failed,
without the keys of stations. What was read of a device is remembered with the last batch that was
looked at, so that the next look costs only what came since.
"""

import threading
from collections import deque
from typing import Any, Final, NamedTuple

from sqlalchemy import select

from meterseal.collector.database import Database
from meterseal.collector.schema import BATCHES, CHAINS
from meterseal.errors import VerificationError
from meterseal.trust import Trust
from meterseal.verify import signature_opener

EVENT_UPDATE: Final = 14
EVENT_CERTIFICATE: Final = 15
_MOST_SEEN: Final = 256


class Seen(NamedTuple):
    """An event of a verified batch. `detail`: see WIRE_FORMAT section 6."""

    received_unix_ms: int
    kind: int
    detail: tuple[Any, ...]


class _Device:
    def __init__(self, since_unix_ms: int) -> None:
        self.since_unix_ms = since_unix_ms
        self.last_id = -1
        self.seen: deque[Seen] = deque(maxlen=_MOST_SEEN)


class History:
    """The newest events of each device, at most 256."""

    def __init__(self, database: Database, trust: Trust) -> None:
        self._database = database
        self._open = signature_opener(trust)
        self._devices: dict[str, _Device] = {}
        self._lock = threading.Lock()

    def events(self, device: str, since_unix_ms: int, kind: int) -> list[Seen]:
        """Events of a kind in batches that came since then, in the order in which they came."""
        with self._lock:
            known = self._devices.get(device)
            if known is None or since_unix_ms < known.since_unix_ms:
                known = self._devices[device] = _Device(since_unix_ms)
            self._read_on(device, known)
            return [one for one in known.seen if one.kind == kind]

    def _read_on(self, device: str, known: _Device) -> None:
        query = (
            select(BATCHES.c.id, BATCHES.c.raw, BATCHES.c.received_unix_ms)
            .join(CHAINS, CHAINS.c.id == BATCHES.c.chain_id)
            .where(CHAINS.c.device == bytes.fromhex(device))
            .where(BATCHES.c.received_unix_ms >= known.since_unix_ms)
            .where(BATCHES.c.id > known.last_id)
            .order_by(BATCHES.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            known.last_id = row.id
            try:
                events = self._open(row.raw).contents.events
            except VerificationError:
                continue  # of a device that is trusted no more
            for event in events:
                if event.kind in (EVENT_UPDATE, EVENT_CERTIFICATE):
                    seen = Seen(row.received_unix_ms, event.kind, tuple(event.detail))
                    known.seen.append(seen)
