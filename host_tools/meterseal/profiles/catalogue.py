"""Profiles of a directory, by id."""

import difflib
from pathlib import Path

from meterseal.errors import ProfileError
from meterseal.profiles.lint import lint_file
from meterseal.profiles.model import Profile, build


def load(path: Path) -> Profile:
    """One profile file, linted.

    Raises ProfileError with the code of the first defect.
    """
    findings = lint_file(path)
    if findings:
        first = findings[0]
        raise ProfileError(
            first.code,
            f"{path.name}: {first.where}: {first.text}",
            "Correct the file; `meterseal profiles lint` names every defect.",
        )
    return build(path.read_bytes())


def load_all(directory: Path) -> dict[str, Profile]:
    """Every profile of a directory, by id, in alphabetical order."""
    return {path.stem: load(path) for path in sorted(directory.glob("*.json"))}


def find(directory: Path, name: str) -> Profile:
    """Profile by its id or by the path of a file.

    Raises ProfileError `profile-unknown` and names the nearest known id.
    """
    path = Path(name) if name.endswith(".json") else directory / f"{name}.json"
    if path.is_file():
        return load(path)
    known = sorted(entry.stem for entry in directory.glob("*.json"))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ProfileError(
        "profile-unknown",
        f"expected the id of a profile or a .json file, found {name!r}.{hint}",
        "`meterseal profiles list` shows every id.",
    )
