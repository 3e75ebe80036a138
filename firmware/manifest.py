# Frozen into a shipping image: the agent, its own _boot.py and main.py (see boards/README.md).
# Write p256_table_frozen.py with tools/make_p256_table.py first: the table then costs no RAM.
include("$(PORT_DIR)/boards/manifest.py")
package("agent", base_path=".")
module("_boot.py", base_path=".")
module("main.py", base_path=".")
