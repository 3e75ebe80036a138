"""Meter profiles on the host: schema, reader, linter and catalogue.

The device has its own reader; what they share are the files, never code.
"""

from meterseal.profiles.catalogue import find, load, load_all
from meterseal.profiles.lint import Finding, lint_bytes, lint_file
from meterseal.profiles.model import Bus, Profile, Register, Source, SunSpec, build

__all__ = [
    "Bus",
    "Finding",
    "Profile",
    "Register",
    "Source",
    "SunSpec",
    "build",
    "find",
    "lint_bytes",
    "lint_file",
    "load",
    "load_all",
]
