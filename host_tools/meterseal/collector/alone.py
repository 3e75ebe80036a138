"""What only one worker of a data directory does; if that one dies, another takes over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from meterseal.collector.background import Say

try:
    import fcntl
except ImportError:  # Windows: one worker only.
    fcntl = None  # type: ignore[assignment]

_RETRY_S: Final = 2.0


@asynccontextmanager
async def alone(lock: Path, say: Say) -> AsyncIterator[None]:
    """Wait until no other process holds the lock, then hold it."""
    with lock.open("wb") as file:
        while fcntl and not _taken(file.fileno()):
            say("another worker does it")
            await asyncio.sleep(_RETRY_S)
        yield


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
