"""Site acceptance on a real board: see README.md."""
