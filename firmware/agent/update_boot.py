"""Between reset and start: which version of code and settings runs, and what if it does not.

Imported by main only where an update was ever installed. The watchdog runs before anything of a
slot does. What is on trial is guarded: whatever ends it ends in a reset, which costs a try. What
is kept is looked at before it runs: damaged files, or a version that cannot be started, give way
for good to what was there before any update. Must never start a slot that the pointer does not
name, or whose content is another than was verified.
"""

import asyncio
import gc
import sys

from . import update_pack
from .errors import ConfigError, ProfileError
from .update_files import SlotFiles
from .update_settings import cable_hash, over
from .update_slots import CODE, DIGEST_LEN, IMAGE, NAMES, SETTINGS, Slots


def code(board, base):
    """Directory of the code slot to run, or None; `base`: number of what runs now."""
    guard = getattr(board, "guard", None)
    if guard:
        guard()
    _image(board)
    slots = Slots(board.store, CODE)
    slot = slots.boot(base, Slots(board.store, IMAGE).trial is None)
    slot = _whole(board, slots, slot)
    return slots.directory(board.root, slot) if slot else None


def _whole(board, slots, slot):
    """The slot whose content is what was verified, or 0; one that is not gives way."""
    while slot and _digest(slots.directory(board.root, slot)) != slots.digest:
        print("update: damaged:", slots.name, slot)
        slots.drop(True)
        slot = slots.running()
    return slot


def _digest(directory):
    try:
        return SlotFiles(directory).digest()
    except OSError:
        return b""


def _image(board):
    """An image on trial that does not run: the boot loader went back, or power went too early.

    It gets another try as long as it has one: a power cut alone must not cost a good version.
    """
    slots = Slots(board.store, IMAGE)
    if not slots.trial:
        return
    image = getattr(board, "image", None)
    if image and image.running_slot == slots.trial:
        return
    try:
        if image and slots.spend() and image.digest(slots.length)[:DIGEST_LEN] == slots.digest:
            image.set_boot()
            return board.reset("update: image on trial again")
    except OSError as error:
        print("update: the image cannot be booted:", error)
    slots.go_back()


def lay_over(board):
    """Settings of the slot that counts, over the files of the cable, unless those changed."""
    slots = Slots(board.store, SETTINGS)
    board.cable_file = board.read_file
    if slots.running():
        files = SlotFiles(slots.directory(board.root, slots.running()))
        if cable_hash(board.read_file, files.paths()) != slots.cable_8:
            print("update: the cable brought other settings")
            slots.clear()
    slot = slots.boot()
    slot = _whole(board, slots, slot)
    if slot:
        board.read_file = over(board.read_file, slots.directory(board.root, slot))


def station(board, start):
    """Run what `start()` gives; settings that it refuses give way to those of the cable."""

    def run():
        try:
            app = start()
        except (ConfigError, ProfileError) as error:
            settings = Slots(board.store, SETTINGS)
            if not settings.kept or settings.trial:
                raise
            print("update: the kept settings are refused:", error)
            settings.drop(False)
            return board.reset("update: settings refused")
        try:
            asyncio.run(app.run())
        except Exception as error:  # noqa: BLE001 - it stood: no reason to give it up
            print("update: the station ended:", error)
            board.reset("update: the station ended")

    return guarded(board, run)


def guarded(board, run):
    """`run()`; while something is on trial its end, whatever the reason, is a reset."""
    if not [name for name in NAMES if Slots(board.store, name).trial]:
        return run()
    try:
        run()
        reason = "ended"
    except (SystemExit, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - a version on trial may fail in any way
        reason = "%s: %s" % (type(error).__name__, error)
    print("update: the version on trial", reason)
    board.reset("update: trial " + reason)
    return 1


def hand_over(board, directory, arguments):
    """Run the main.py of a slot in place of this version; the answer of its `main`."""

    def run():
        _forget()
        sys.path.insert(0, update_pack.mount(directory))
        return __import__("main").main(arguments, True)  # the first in the path

    if [name for name in NAMES if Slots(board.store, name).trial]:
        return guarded(board, run)
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the version before must run
        print("update: the kept version cannot be started:", error)
    Slots(board.store, CODE).drop(False)
    board.reset("update: the kept version cannot be started")
    return 1


def cable(store):
    """A technician is at work: what the cable brings counts, and no slot any more."""
    for name in (CODE, SETTINGS):
        Slots(store, name).clear()


def _forget():
    """What was imported of this version; the other one brings all of it again."""
    for name in list(sys.modules):
        if name == "main" or name.split(".")[0] == "agent":
            del sys.modules[name]
    gc.collect()
