"""Every example of README.md is run; what it prints must match, `...` standing for anything."""

import re
import shlex
import subprocess
import sys
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every `$ command` with the output that README shows below it, in order."""
    found = []
    for block in CONSOLE:
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = example.partition("\n")
            found.append((command, output))
    return found


# Other tests run beside this one: the demonstration may take longer than alone.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "COLUMNS": "100",
    "PYTHONUNBUFFERED": "1",
    "METERSEAL_DEMO_BOUND_S": "300",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples run, one after the other, as a reader would run them."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize(("command", "output"), commands(), ids=[c for c, _ in commands()])
def test_command(command: str, output: str, place: Path) -> None:
    words = shlex.split(command)
    assert words[0] == "meterseal", "README shows commands of this project only"
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
        env=_ENVIRONMENT,
    )
    checker = OutputChecker()
    flags = ELLIPSIS | NORMALIZE_WHITESPACE
    assert checker.check_output(output, done.stdout, flags), done.stdout


@pytest.mark.parametrize("code", PYTHON)
def test_python(code: str, place: Path) -> None:
    pytest.importorskip("cwt", reason="the foreign COSE library cwt is not installed")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"1 ([1-9]|[1-5]\d|60)\n", done.stdout)  # the first batch, its readings


def test_the_table_of_configuration_keys_is_the_devices_own() -> None:
    script = ROOT / "tests" / "readme_config.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0
