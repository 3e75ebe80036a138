"""Runs before main.py on a board whose image is not the shipping one; does nothing on purpose.

A writable boot.py is an attack path: the shipping image freezes `_boot.py` and `main.py` and has
none of these on its file system.
"""
