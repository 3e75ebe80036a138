"""Linter of profiles: every defect of a file, each with a stable code."""

from pathlib import Path

from meterseal.profiles import lint_rules, lint_structure
from meterseal.profiles.lint_structure import Finding

__all__ = ["Finding", "lint_bytes", "lint_file"]


def lint_bytes(data: bytes, stem: str | None = None) -> list[Finding]:
    """Defects of a profile's bytes; `stem` is the file name without `.json`, which must be the id.

    The meaning is judged only when the structure is sound.
    """
    try:
        tree = lint_structure.parse(data)
    except (ValueError, RecursionError) as problem:
        return [Finding("profile-json", "file", f"expected strict JSON in UTF-8: {problem}")]
    findings = list(lint_structure.check(tree))
    if findings:
        return findings
    if stem is not None and tree["id"] != stem:
        findings.append(
            Finding(
                "profile-id",
                "profile.id",
                f"expected {stem} like the file name, found {tree['id']}",
            )
        )
    return findings + list(lint_rules.check(tree))


def lint_file(path: Path) -> list[Finding]:
    """Defects of a profile file."""
    return lint_bytes(path.read_bytes(), path.stem)
