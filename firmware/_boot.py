"""Mounts the file system and goes on whatever happens; frozen in place of the stock `_boot.py`.

The stock one prints for ever when the file system is corrupt, and no station ever gets a visit for
that. Here a file system that cannot be mounted is made anew: what it held is small, and the state
store has a copy of it. The journal is another partition and is never touched. The root is taken
from the search path: a file there must not shadow frozen code.

While this very image is on trial a watchdog runs from here on: an image whose agent cannot even be
imported ends in a reset, and the boot loader goes back. That holds in safe mode too.
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


TRIAL_MS = 120000


def on_trial(blob, label):
    """Whether the partition of this label is the image on trial (blob of agent.update_slots)."""
    return blob[0] == 2 and label[:4] == "ota_" and blob[2] == int(label[4:]) + 1


def watch():
    """Start the watchdog if this image is on trial."""
    import esp32  # noqa: TID251 - before anything of the agent
    import machine  # noqa: TID251

    blob = bytearray(256)
    try:
        esp32.NVS("meterseal").get_blob("upd_img", blob)
    except OSError:
        return  # there never was one
    label = esp32.Partition(esp32.Partition.RUNNING).info()[4]
    if on_trial(blob, label):
        machine.WDT(timeout=TRIAL_MS)


def start():
    """On a board only: find the partition and mount it."""
    from flashbdev import bdev

    if bdev is None or not mount(bdev):
        print("no file system: the station runs from its copies")
    sys.path[:] = [".frozen", "/lib"]


if sys.platform == "esp32":
    start()
    watch()
