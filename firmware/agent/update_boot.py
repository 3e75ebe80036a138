"""Between reset and start: which version of code and settings runs, and what if it does not.

Imported by main only where an update was ever installed. What is on trial is guarded: whatever
ends it ends in a reset, which costs a try. A kept version that cannot even be imported (a file
system that was made anew) gives way to what was there before any update. Must never write more
than one blob in a boot, and never start a slot that the pointer does not name.
"""

import gc
import sys

from .update_settings import over
from .update_slots import CODE, IMAGE, SETTINGS, Slots


def code(board, base):
    """Directory of the code slot to run, or None; `base`: number of what runs now."""
    slots = Slots(board.store, CODE)
    slot = slots.boot(base)
    return slots.directory(board.root, slot) if slot else None


def lay_over(board):
    """Settings of the slot that counts, over the files of the cable."""
    slots = Slots(board.store, SETTINGS)
    slot = slots.boot()
    if slot:
        board.read_file = over(board.read_file, slots.directory(board.root, slot))


def guarded(board, run):
    """`run()`; while something is on trial its end, whatever the reason, is a reset."""
    slots = [Slots(board.store, name) for name in (CODE, SETTINGS, IMAGE)]
    if not [one for one in slots if one.trial]:
        return run()
    guard = getattr(board, "guard", None)
    if guard:
        guard()
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
    trial = Slots(board.store, CODE).trial

    def run():
        _forget()
        sys.path.insert(0, directory)
        return __import__("main").main(arguments, True)  # the first in the path

    if trial:
        return guarded(board, run)
    try:
        return run()
    except (ImportError, SyntaxError, OSError, AttributeError) as error:
        print("update: the kept version cannot be started:", error)
    sys.path.remove(directory)
    _forget()
    return __import__("main").main(arguments, True)


def _forget():
    """What was imported of this version; the other one brings all of it again."""
    for name in list(sys.modules):
        if name == "main" or name.split(".")[0] == "agent":
            del sys.modules[name]
    gc.collect()
