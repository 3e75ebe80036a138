"""Gives back the memory of modules that are needed once, at the start.

Where code is loaded into the heap (stock MicroPython with copied files) the tables that check the
configuration and the profiles take as much room as all readings. Frozen code costs nothing and is
not affected. Must never be called while a function of such a module is still to be called.
"""

import gc
import sys


def modules(*names):
    """Forget modules of the agent, by their names without the package."""
    package = sys.modules[__name__.rpartition(".")[0]]
    for name in names:
        sys.modules.pop("agent." + name, None)
        if hasattr(package, name):
            delattr(package, name)
    gc.collect()
