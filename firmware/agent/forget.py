"""Gives back the memory of modules that are needed once, at the start, or once in a while.

Where code is loaded into the heap (stock MicroPython with copied files) the tables that check the
configuration and the profiles take as much room as all readings. Frozen code costs nothing and is
not affected. Must never be called while a function of such a module is still to be called.
"""

import gc
import sys

from .constant import const

_SCARCE = const(98304)  # bytes free


def modules(*names):
    """Forget modules of the agent, by their names without the package."""
    for name in names:
        whole = "agent." + name
        sys.modules.pop(whole, None)
        package, _, last = whole.rpartition(".")
        package = sys.modules.get(package)
        if hasattr(package, last):
            delattr(package, last)
    gc.collect()


def scarce(*names):
    """As `modules`, but only where memory is scarce: for what is loaded again once in a while."""
    if not hasattr(gc, "mem_free") or gc.mem_free() >= _SCARCE:
        return
    gc.collect()
    if gc.mem_free() < _SCARCE:
        modules(*names)


def sealing():
    """What gathers and encodes a batch: the arithmetic of its signature has room then."""
    gathers = ("sealer_gather", "sealer_payload", "batch_table", "batch_keys", "rows")
    scarce(*gathers, "batch", "batch_groups", "columns", "sealer_edges")
