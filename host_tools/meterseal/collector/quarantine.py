"""Bytes that did not verify: kept, because they may be evidence, but within bounds.

Who can reach the collector can make it keep something; so each device that the bytes claim has a
quota, and so have all together. What makes room first is the oldest that names no known device,
then the oldest that only claims one. What a known device signed is never removed for others; of
one that writes more of it than its quota the newest is not kept. None of it was ever
acknowledged: its sender still has it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, UnaryExpression, delete, select

from meterseal.collector.records import SIGNED, Refused
from meterseal.collector.rows import rows_in, write_rows
from meterseal.collector.schema import QUARANTINE, QUARANTINE_USE

ROW_COST: Final = 256
"""What a row takes beside its bytes, indexes included."""
_TOTAL: Final = b"total"
_COLUMNS: Final = ("sha256", "code", "raw", "received_unix_ms", "device", "length", "standing")
_SOME: Final = 500
_NOTHING: Final = "ON CONFLICT DO NOTHING"
_USED: Final = "ON CONFLICT (scope) DO UPDATE SET bytes = excluded.bytes"


class Quotas(NamedTuple):
    """Bytes: for all that one device claims (or that names none), and for all together."""

    of_device: int = 4 << 20
    total: int = 256 << 20


class Quarantine:
    """The quarantine inside one transaction of the store, which ends with `close`."""

    def __init__(self, connection: Connection, quotas: Quotas) -> None:
        self._connection = connection
        self._quotas = quotas
        self._use: dict[bytes, int] = {}

    def keep(self, refused: Iterable[Refused], now_unix_ms: int) -> None:
        """Keep what is not there yet; the oldest makes room for it."""
        rows = {}
        for item in refused:
            digest = hashlib.sha256(item.raw).digest()
            place = item.device, len(item.raw), item.standing
            rows[digest] = (digest, item.code, item.raw, now_unix_ms, *place)
        for digest in self._known(list(rows)):
            del rows[digest]
        write_rows(self._connection, QUARANTINE, _COLUMNS, list(rows.values()), _NOTHING)
        devices = {row[4] for row in rows.values()}
        self._load([*devices, _TOTAL])
        for row in rows.values():
            self._account(row[4], row[5] + ROW_COST)
        for device in devices:
            self._make_room_of(device)
        self._make_room()

    def remove(self, ids: Sequence[int]) -> None:
        """Remove rows: they are batches by now."""
        if not ids:
            return
        query = select(QUARANTINE.c.id, QUARANTINE.c.device, QUARANTINE.c.length)
        rows = self._connection.execute(query.where(QUARANTINE.c.id.in_(ids))).all()
        self._load([*{row.device for row in rows}, _TOTAL])
        self._delete(rows)

    def close(self) -> None:
        """Write what is used by now."""
        write_rows(
            self._connection, QUARANTINE_USE, ("scope", "bytes"), list(self._use.items()), _USED
        )
        if not all(self._use.values()):
            self._connection.execute(delete(QUARANTINE_USE).where(QUARANTINE_USE.c.bytes <= 0))

    def _known(self, digests: list[bytes]) -> list[bytes]:
        found: list[bytes] = []
        for at in range(0, len(digests), _SOME):
            some = digests[at : at + _SOME]
            rows = rows_in(self._connection, QUARANTINE, ("sha256",), "sha256", some)
            found += [row[0] for row in rows]
        return found

    def _load(self, scopes: list[bytes]) -> None:
        """What is used by some devices; a transaction has at most a few thousand."""
        wanted = [scope for scope in scopes if scope not in self._use]
        for at in range(0, len(wanted), _SOME):
            some = wanted[at : at + _SOME]
            self._use.update(dict.fromkeys(some, 0))
            names = ("scope", "bytes")
            for scope, used in rows_in(self._connection, QUARANTINE_USE, names, "scope", some):
                self._use[scope] = used

    def _account(self, device: bytes, length: int) -> None:
        self._use[device] += length
        self._use[_TOTAL] += length

    def _make_room_of(self, device: bytes) -> None:
        mine = QUARANTINE.c.device == device
        limit = self._quotas.of_device
        self._evict(device, limit, mine & (QUARANTINE.c.standing < SIGNED), QUARANTINE.c.id.asc())
        self._evict(device, limit, mine, QUARANTINE.c.id.desc())

    def _make_room(self) -> None:
        for standing in range(SIGNED):
            of_standing = QUARANTINE.c.standing == standing
            self._evict(_TOTAL, self._quotas.total, of_standing, QUARANTINE.c.id.asc())

    def _evict(
        self, scope: bytes, limit: int, which: ColumnElement[bool], order: UnaryExpression[Any]
    ) -> None:
        """Delete rows in an order until a scope is within its limit, or none is left."""
        query = select(QUARANTINE.c.id, QUARANTINE.c.device, QUARANTINE.c.length)
        query = query.where(which).order_by(order).limit(_SOME)
        while self._use[scope] > limit:
            rows = self._connection.execute(query).all()
            if not rows:
                return
            excess, taken = self._use[scope] - limit, 0
            while taken < len(rows) and excess > 0:
                excess -= rows[taken].length + ROW_COST
                taken += 1
            self._load([row.device for row in rows[:taken]])
            self._delete(rows[:taken])

    def _delete(self, rows: Sequence[Any]) -> None:
        ids = [row.id for row in rows]
        self._connection.execute(delete(QUARANTINE).where(QUARANTINE.c.id.in_(ids)))
        for row in rows:
            self._account(row.device, -row.length - ROW_COST)
