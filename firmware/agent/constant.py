"""`const`: what the compiler of MicroPython folds away, so that the name takes no memory.

`_NAME = const(5)` at the top of a module leaves neither an entry in the module nor a name behind.
On CPython it is the value itself. Must never be used for what another module reads.
"""

try:
    from micropython import const
except ImportError:  # CPython

    def const(value):
        """The value itself."""
        return value
