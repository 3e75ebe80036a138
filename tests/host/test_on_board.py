"""What runs on a board to find out about it, on the real VM: what is frozen, and what is not."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from meterseal.provision import on_board
from meterseal.resources import micropython_binary

# The VM has asyncio frozen, and no agent: asyncio stands for it.
FROZEN = on_board.ABOUT.replace(
    "from agent import version",
    'from asyncio import core as version; version.VERSION, version.BUILD_UNIX_S = "9.9", 7',
)
MACHINE = """
import sys
class Machine:
    unique_id = staticmethod(lambda: b"board")
sys.modules["machine"] = Machine
"""


def told(body: str, folder: Path) -> Any:
    """What a body returns on the VM, in a folder that is first on its path."""
    path = 'sys.path[:] = ["", ".frozen", "/lib"]\n'
    code = f"{MACHINE}{path}def step():\n{body}\nfound = step()\n"
    code += "import json\nprint(json.dumps(found), sys.path)\n"
    command = [str(micropython_binary()), "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    text, _, rest = done.stdout.rpartition(" ['', '.frozen', '/lib']")
    assert rest.strip() == ""
    return json.loads(text)


@pytest.mark.parametrize("shadow", [False, True])
def test_a_frozen_agent_is_found_as_an_import_finds_it(tmp_path: Path, shadow: bool) -> None:
    if shadow:
        (tmp_path / "asyncio").mkdir()
        (tmp_path / "asyncio" / "__init__.py").write_text("raise SystemExit\n")
        (tmp_path / "asyncio" / "core.py").write_text("VERSION = 'planted'\n")
    assert told(FROZEN, tmp_path)["frozen"] == ["9.9", 7]


def test_copied_files_are_not_a_frozen_agent(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").write_text("")
    (tmp_path / "agent" / "version.py").write_text("VERSION, BUILD_UNIX_S = '1', 2\n")
    assert told(on_board.ABOUT, tmp_path)["frozen"] == []
