"""Mounts the file system and goes on whatever happens; frozen in place of the stock `_boot.py`.

The stock one prints for ever when the file system is corrupt, and no station ever gets a visit for
that. Here a file system that cannot be mounted is made anew: what it held is small, and the state
store has a copy of it. The journal is another partition and is never touched. The root is taken
from the search path: a file there must not shadow frozen code.
"""

import sys

try:
    import vfs
except ImportError:  # CPython, where only the tests look at this module
    vfs = None


def mount(block_device):
    """Mount at `/`, formatting only what cannot be mounted; False if there is nothing to mount."""
    for attempt in ("as it is", "made anew"):
        try:
            if attempt == "made anew":
                vfs.VfsLfs2.mkfs(block_device)
            vfs.mount(block_device, "/")
            return True
        except OSError as error:
            print("file system", attempt, "cannot be mounted:", error)
    return False


def start():
    """On a board only: find the partition and mount it."""
    from flashbdev import bdev

    if bdev is None or not mount(bdev):
        print("no file system: the station runs from its copies")
    sys.path[:] = [".frozen", "/lib"]


if sys.platform == "esp32":
    start()
