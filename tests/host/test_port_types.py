"""The ESP32 port, which no machine here can run, checked against the port's type stubs."""

import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PORTS = ROOT / "firmware" / "agent" / "ports"
SHADOWED = ("__builtins__.pyi", "_boot.pyi")


def lay_out_stubs(out: Path) -> None:
    """The stubs apart from the site packages, where mypy does not look for them."""
    for package in ("micropython-esp32-stubs", "micropython-stdlib-stubs"):
        for file in files(package) or []:
            if (file.suffix != ".pyi" and file.name != "VERSIONS") or file.name in SHADOWED:
                continue
            place = out / "typeshed" if file.parts[0] in ("stdlib", "stubs") else out / "modules"
            target = place / str(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


def complaints(out: Path, *sources: Path) -> list[str]:
    """What mypy says of our own files; the stubs have faults of their own."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", "/dev/null", "--no-site-packages"),
            *("--custom-typeshed-dir", str(out / "typeshed"), "--platform", "esp32"),
            *("--check-untyped-defs", "--no-strict-optional", "--explicit-package-bases"),
            *("--follow-imports", "silent", "--no-incremental", *map(str, sources)),
        ],
        cwd=ROOT,
        env={"MYPYPATH": f"{out / 'modules'}:{ROOT / 'firmware'}:{out}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "checked" in done.stdout, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    own = [source.name for source in sources]
    return [
        line for line in lines if ": error:" in line and line.split(":")[0].endswith(tuple(own))
    ]


def test_the_port_uses_what_the_board_has(tmp_path: Path) -> None:
    lay_out_stubs(tmp_path)
    assert complaints(tmp_path, *sorted(set(PORTS.glob("*.py")) - set(PORTS.glob("unix*")))) == []


# What mypy cannot know of code without annotations: types of attributes that change.
UNTYPED = ("assignment", "var-annotated", "misc", "override")
# file -> what it says there, and why that is right on a board
KNOWN = {
    "profile_plan.py": "Too many arguments",  # it counts a tuple in a call as many
    "journal_state.py": "Too many arguments",
    "journal_batches.py": "Too many arguments",
    "p256_source.py": "agent.p256_table_frozen",  # only builds with frozen code have it
    "journal_record.py": "crc_hqx",  # only CPython has it, and is asked first
    "timing.py": ("monotonic_ns", "Unsupported operand types for &"),  # CPython; ticks are ints
    "signer.py": '"Signer" has no attribute',  # each kind of key brings them
    "rtu_core.py": '"RtuCore" has no attribute',  # each kind of line does
}


def is_known(line: str) -> bool:
    """Whether a complaint is one of KNOWN."""
    words = KNOWN.get(Path(line.split(":")[0]).name, ())
    return any(word in line for word in ((words,) if isinstance(words, str) else words))


def test_the_agent_uses_what_a_board_has(tmp_path: Path) -> None:
    """Every module of the agent against the stubs: names, arguments, attributes."""
    lay_out_stubs(tmp_path)
    modules = sorted((ROOT / "firmware" / "agent").rglob("*.py"))
    found = complaints(tmp_path, *(m for m in modules if not m.name.startswith("unix")))
    coded = [line for line in found if not line.endswith(tuple(f"[{code}]" for code in UNTYPED))]
    assert [line for line in coded if not is_known(line)] == []


def test_a_wrong_name_or_argument_is_found(tmp_path: Path) -> None:
    lay_out_stubs(tmp_path)
    wrong = tmp_path / "wrong.py"
    source = "import machine\n\n\ndef f():\n    machine.WDT(seconds=3)\n    machine.Watchdog()\n"
    wrong.write_text(source)
    assert len(complaints(tmp_path, wrong)) == 2
