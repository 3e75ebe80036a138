"""Directories on both ports; MicroPython has no shutil."""

import os


def remove(directory):
    """Directory and all."""
    for name in os.listdir(directory):
        path = directory + "/" + name
        if os.stat(path)[0] & 0x4000:
            remove(path)
        else:
            os.remove(path)
    os.rmdir(directory)
