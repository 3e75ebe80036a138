"""Runs the site acceptance: python -m tests.hil.accept PORT [--out FILE] [--unattended].

Exit code 0: accepted; 1: a step failed or was left out; 3: no station at the port.
"""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meterseal.errors import EnvironmentProblem, Error
from meterseal.onsite.cable import open_cable

from tests.hil import steps

Result = dict[str, str]


def main(arguments: list[str] | None = None) -> int:
    """Run every step and write what was found."""
    options = parse(arguments)
    try:
        site = steps.Site(lambda: open_cable(options.port), say)
    except EnvironmentProblem as problem:
        say(f"{problem.code}: {problem.diagnostics()}")
        return 3
    results = [automatic(step, site) for step in steps.AUTOMATIC]
    for step in steps.ATTENDED:
        name = step.__name__
        results.append(skipped(name) if options.unattended else automatic(step, site))
    for name, question in steps.BY_HAND.items():
        results.append(skipped(name) if options.unattended else asked(name, question, site))
    accepted = all(one["result"] == "passed" for one in results)
    report = about(site) | {"accepted": accepted, "steps": results}
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    say(f"{'ACCEPTED' if accepted else 'NOT ACCEPTED'}: {options.out}")
    return 0 if accepted else 1


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", help="serial port of the board")
    parser.add_argument("--out", type=Path, default=Path("acceptance.json"))
    parser.add_argument("--unattended", action="store_true", help="leave out what needs hands")
    return parser.parse_args(arguments)


def automatic(step: Callable[[steps.Site], str], site: steps.Site) -> Result:
    """One step that the runner judges."""
    name = step.__name__.replace("_", "-")
    try:
        result, text = "passed", step(site)
    except steps.Failed as problem:
        result, text = "failed", str(problem)
    except Error as problem:
        result, text = "failed", f"{problem.code}: {problem.text}"
    except (KeyError, IndexError, ValueError) as problem:
        result, text = "failed", f"nothing to judge: {problem!r}"
    return told(name, result, text)


def asked(name: str, question: str, site: steps.Site) -> Result:
    """One step that a person judges."""
    if name == "display":
        say("; ".join(site.registers))
    answer = input(f"{question} [yes/no/skip, and a remark] ").strip()
    word, _, remark = answer.partition(" ")
    result = {"yes": "passed", "no": "failed"}.get(word.lower(), "skipped")
    return told(name, result, remark)


def skipped(name: str) -> Result:
    """A step that nobody did."""
    return told(name, "skipped", "needs a person at the board")


def told(name: str, result: str, text: str) -> Result:
    """A line on the screen and in the report."""
    say(f"{result}: {name}: {text}")
    return {"step": name, "result": result, "found": text}


def about(site: steps.Site) -> dict[str, Any]:
    """Which station, and when."""
    names = ("device_id", "public_key", "key_class", "firmware")
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"at": when} | {name: site.first.get(name) for name in names}


def say(text: str) -> None:
    """To the person at the board."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
