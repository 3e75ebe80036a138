"""The wheel carries what a technician's laptop needs: firmware, profiles and boards."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CARRIED = ("firmware", "boards")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*_cache", "*.pyc")


class WithData(build_py):
    """Copies the directories into the package, except for an editable installation."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in CARRIED:
            target = Path(self.build_lib) / "meterseal" / "_data" / name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ROOT / name, target, ignore=LEFT_OUT)


setup(cmdclass={"build_py": WithData})
