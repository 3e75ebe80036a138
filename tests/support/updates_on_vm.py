"""Runs in the MicroPython VM: updates one after the other on LittleFS of so many blocks.

Usage: micropython updates_on_vm.py FIRMWARE TESTS BLOCKS OWNER CABLE UPDATE ... where CABLE is a
directory with the files that came by the cable, UPDATE a built and signed code update. Prints for
each the free blocks behind it and the version that is imported from it.
"""

import os
import sys

firmware, tests = sys.argv[1:3]
sys.path[:0] = [firmware, tests]

import asyncio  # noqa: E402
import gc  # noqa: E402

import vfs  # noqa: E402
from agent import update_pack  # noqa: E402
from agent.update_install import Installer  # noqa: E402
from agent.update_manifest import open_manifest  # noqa: E402
from agent.update_owners import Owners  # noqa: E402
from agent.update_slots import CODE, Slots  # noqa: E402
from fakes.board import Store  # noqa: E402
from fakes.nor_flash import NorFlash  # noqa: E402

from support.update_maker import Server, no_pause  # noqa: E402

ROOT = "/board"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def free_blocks():
    return os.statvfs(ROOT)[3]


def bring(directory, below=""):
    """What comes by the cable."""
    for name in os.listdir(directory):
        path = directory + "/" + name
        if os.stat(path)[0] & 0x4000:
            os.mkdir(ROOT + "/" + name)
            bring(path, name + "/")
        else:
            with open(ROOT + "/" + below + name, "wb") as file:
                file.write(read(path))


def install(store, owners, built):
    """One update, kept; the version that is imported from it."""
    opened = open_manifest(read(built + "/manifest.cose"), owners)
    content = {path: read(built + "/files/" + path) for path, _, _ in opened.files()}
    slots = Slots(store, CODE)
    running = slots.kept_number
    fetch = Server(content).fetch
    asyncio.run(Installer("BENCH", ROOT, slots, running, fetch, no_pause).install(opened))
    slots = Slots(store, CODE)
    slot = slots.boot()
    slots.keep()
    return imported(slots.directory(ROOT, slot))


def imported(directory):
    """The version that a slot gives; every module of it is read."""
    held = {name: module for name, module in sys.modules.items() if name.startswith("agent")}
    for name in held:
        del sys.modules[name]
    sys.path.insert(0, update_pack.mount(directory))
    try:
        from agent import app, version
        from agent.p256_table import check_table

        check_table()
        assert app.__file__.startswith("/slot/"), app.__file__
        return version.VERSION
    finally:
        del sys.path[0]
        vfs.umount(update_pack.PLACE)
        for name in [name for name in sys.modules if name.startswith("agent")]:
            del sys.modules[name]
        sys.modules.update(held)
        gc.collect()  # closes the table that the check had opened


blocks, owner, cable = int(sys.argv[3]), sys.argv[4], sys.argv[5]
flash = NorFlash(blocks)
vfs.VfsLfs2.mkfs(flash)
vfs.mount(vfs.VfsLfs2(flash), ROOT)
bring(cable)
print("cable", free_blocks(), "-")
store = Store()
for built in sys.argv[6:]:
    version = install(store, Owners(Store(), [owner]), built)
    print("update", free_blocks(), version)
