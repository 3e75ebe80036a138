"""Findings of a report: rule, stable code, severity, subject, and the energy withheld by it."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from meterseal.mrv.exact import kwh_text
from meterseal.mrv.rules_text import CODES, RULES

REVIEW, NOTICE = "review", "notice"
"""`review`: the report cannot become FINAL while it stands; `notice`: for the reader."""
_ORDER: Final = {REVIEW: 0, NOTICE: 1}


@dataclass(frozen=True, slots=True)
class ReportFinding:
    """One finding. `withheld_milliwh`: energy that the baseline did not get because of it."""

    rule: str
    code: str
    severity: str
    subject: str
    text: str
    withheld_milliwh: Fraction = Fraction(0)

    def as_json(self) -> dict[str, str]:
        """For the report."""
        return {
            "rule": self.rule,
            "code": self.code,
            "severity": self.severity,
            "subject": self.subject,
            "text": self.text,
            "withheld_kwh": withheld_text(self.withheld_milliwh),
        }


class Findings:
    """Collects findings; each code belongs to one rule (rules_text.py)."""

    def __init__(self) -> None:
        self._found: list[ReportFinding] = []

    def add(
        self, code: str, subject: str, text: str, withheld_milliwh: Fraction | int = 0
    ) -> None:
        """A finding with the rule and the severity of its code."""
        rule, severity = CODES[code]
        withheld = Fraction(withheld_milliwh)
        self._found.append(ReportFinding(rule, code, severity, subject, text, withheld))

    @property
    def sorted(self) -> list[ReportFinding]:
        """By severity, rule, code and subject."""
        return sorted(
            self._found,
            key=lambda one: (_ORDER[one.severity], int(one.rule[1:]), one.code, one.subject),
        )

    def rule_table(self) -> list[dict[str, Any]]:
        """For every rule: what it does with energy, how often it spoke, what it withheld."""
        table = []
        for rule in RULES:
            own = [one for one in self._found if one.rule == rule.id]
            table.append(
                {
                    "rule": rule.id,
                    "name": rule.name,
                    "demand": rule.demand,
                    "baseline": rule.baseline,
                    "project": rule.project,
                    "outcome": f"{len(own)} findings" if own else "no finding",
                    "findings": len(own),
                    "withheld_kwh": withheld_text(
                        sum((one.withheld_milliwh for one in own), Fraction(0))
                    ),
                }
            )
        return table


def withheld_text(energy_milliwh: Fraction) -> str:
    """kWh with six places; corrected energy may have more and is rounded half to even."""
    return kwh_text(round(energy_milliwh))
