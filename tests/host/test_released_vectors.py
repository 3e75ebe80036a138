"""Vectors that were released once stay as they are, and the list of them only grows."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LIST = "tests/vectors/released.txt"
WITHDRAWN = {
    # Refused loss reason 4, which is valid since; it was pinned before any release was out.
    (("batch_v1.json", "lost-reason-4"), "e1a4bda50577bfdd"),
}


def release() -> ModuleType:
    """tests/vectors/release.py."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "tests/vectors/release.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_released_vector_is_there_unchanged() -> None:
    now, pins = release().current(), release().pinned((ROOT / LIST).read_text())
    assert len(pins) > 300
    changed = {(case, digest) for case, digest in pins.items() if now.get(case) != digest}
    assert changed == WITHDRAWN


def test_the_list_only_grows() -> None:
    """Against every earlier one that this clone knows."""
    command = ["git", "log", "--format=%H", "--", LIST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git history here")
    now = set((ROOT / LIST).read_text().splitlines())
    for commit in done.stdout.split():
        shown = subprocess.run(
            ["git", "show", f"{commit}:{LIST}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not set(shown.stdout.splitlines()) - now, commit
