# What the image of this board freezes: see firmware/manifest.py.
include("$(BOARD_DIR)/../../firmware/manifest.py")
