"""The wheel alone, in an empty environment and an empty directory, puts a board into service."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.provisioning import bench

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("pyproject.toml", "setup.py", "README.md", "host_tools", "firmware", "boards")


def built(folder: Path) -> Path:
    """The wheel of this tree, built from a copy of it."""
    for name in PARTS:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / "tree" / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", str(folder / "tree")]
    subprocess.run([*command, "-w", str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.long
def test_the_wheel_provisions_from_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    wheel = built(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(wheel)], check=True)
    with bench(tmp_path, str(python)) as made:
        done = made.run(cwd=empty)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["batch"] >= 1
    assert not list(empty.iterdir())
