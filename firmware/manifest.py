# Frozen into a shipping image: the agent, its own _boot.py and main.py (see boards/README.md).
# Write p256_table_frozen.py with tools/make_p256_table.py first: the table then costs no RAM.
# Not the port's own manifest: that one has another _boot.py, and clients that do not verify TLS.
freeze("$(PORT_DIR)/modules", "flashbdev.py")
include("$(MPY_DIR)/extmod/asyncio")
package("agent", base_path=".", opt=3)
module("_boot.py", base_path=".", opt=3)
module("main.py", base_path=".", opt=3)
