"""Judges again what waits in quarantine for a key, and lets it into its chain."""

import logging
from collections.abc import Collection
from typing import Final

from meterseal.collector.ingest import sort_in
from meterseal.collector.judging import OpenAll
from meterseal.collector.records import Upload
from meterseal.collector.store import Store

TOGETHER: Final = 200
_LOG: Final = logging.getLogger(__name__)


def release(store: Store, open_all: OpenAll, devices: Collection[bytes]) -> int:
    """Batches of these devices that verify by now become batches of their chains; how many.

    Any number of workers may do so at once: what one has released is harmless to release again.
    Raises CollectorError `collector-store`.
    """
    released = 0
    for device in store.quarantined(devices):
        last = 0
        while rows := store.quarantined_of(device, last, TOGETHER):
            last = rows[-1][0]
            raws = [raw for _, raw in rows]
            upload = Upload([], [])
            sort_in(zip(raws, open_all(raws), strict=True), upload)
            if upload.kept:
                good = {batch.raw for batch in upload.kept}
                store.release(upload.kept, [id for id, raw in rows if raw in good])
                released += len(good)
    if released:
        _LOG.warning("%d batches left the quarantine: their devices are known now", released)
    return released
