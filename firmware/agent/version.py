"""What this firmware is: the version that every batch states, and when it was built.

`BUILD_UNIX_S` is the floor of the clock of a board that never saw any time. Must only ever rise.
"""

VERSION = "0.1.0"
BUILD_UNIX_S = 1793491200  # 2026-11-01T00:00:00Z
