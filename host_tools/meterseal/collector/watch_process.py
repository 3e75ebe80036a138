"""The watch in a process of its own, with the lowest priority: stations never wait for it.

It writes what it has to tell as JSON lines on its standard output, and ends when its standard
input does: it never outlives the worker that started it.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from meterseal.collector.background import Say
from meterseal.collector.database import Database
from meterseal.collector.live_trust import LOOK_S, LiveTrust
from meterseal.collector.places import Places
from meterseal.collector.watch import Tell, Watch
from meterseal.errors import Error

_SAY: Final = "say"
_LOWEST: Final = 19


async def follow(data: Path, database: str, trust: Path, tell: Tell, say: Say) -> None:
    """Start it and pass on what it tells; raises RuntimeError when it ends."""
    arguments = [sys.executable, "-m", "meterseal.collector.watch_process"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *arguments, str(data), database, str(trust), stdin=pipe, stdout=pipe
    )
    try:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            kind, content = json.loads(line)
            if kind == _SAY:
                say(content)
            else:
                tell(kind, content)
        raise RuntimeError(f"the watch ended with {await process.wait()}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _write(kind: str, content: Any) -> None:
    print(json.dumps([kind, content], separators=(",", ":")), flush=True)


async def _run(watch: Watch, trust: LiveTrust) -> None:
    refreshing = asyncio.create_task(_refresh(trust))
    try:
        await watch.follow(_write, lambda text: _write(_SAY, text))
    finally:
        refreshing.cancel()


async def _refresh(trust: LiveTrust) -> None:
    """A trust file that cannot be used: the worker says it, and the former one holds here too."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await asyncio.to_thread(trust.refresh)
        except (Error, OSError):
            continue


def _end_with(stream: Any, end: Callable[[int], Any]) -> None:
    stream.read()
    end(0)


def main(data: str, database: str, trust_path: str) -> None:
    """The life of the process."""
    if hasattr(os, "nice"):
        os.nice(_LOWEST)
    threading.Thread(target=_end_with, args=(sys.stdin, os._exit), daemon=True).start()
    trust, places = LiveTrust(Path(trust_path)), Places(Path(trust_path))
    asyncio.run(_run(Watch(Database(database), trust, places, Path(data)), trust))


if __name__ == "__main__":
    main(*sys.argv[1:])
