"""The steps that ask the running station: the clock, the self-test."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from meterseal.errors import EnvironmentProblem
from meterseal.onsite import inspect
from meterseal.onsite.cable import Cable, InspectionError, NotStarted, quoted
from meterseal.provision.errors import ProvisionError
from meterseal.provision.steps import Session, Step

_T = TypeVar("_T")

_PAUSE_S: Final = 0.5
_CLOCK_OFF_MS: Final = 10_000
_COLLECTOR: Final = 5  # source of a time, WIRE_FORMAT.md section 5
_NOT_YET: Final = ("acknowledged",)
"""Checks that need not hold yet: the collector takes batches once the device is registered."""
_ON_LINE: Final = ("network", "tls", "collector")
_REMEDY: Final = "Check wiring, address and settings of the meter; `meterseal inspect` says more."

Checks = list[tuple[str, bool, str]]


def _set_clock(session: Session) -> str:
    def ask(cable: Cable) -> tuple[int, int]:
        return inspect.set_time(cable, int(time.time() * 1000))

    believed_ms, source = patiently(session, ask)
    off_ms = believed_ms - int(time.time() * 1000)
    if abs(off_ms) <= _CLOCK_OFF_MS:
        return f"{off_ms} ms off"
    whose = "the collector's" if source == _COLLECTOR else "its own"
    raise ProvisionError(
        "clock-not-set",
        f"expected the board to agree with this computer, found it keeps {whose} time, "
        f"{off_ms} ms off",
        "Set the clock of this computer; if that is right, the collector's is wrong.",
    )


def patiently(session: Session, ask: Callable[[Cable], _T]) -> _T:
    """Ask a station that may still be starting; what it said on its console if it never answers.

    Raises ProvisionError `station-silent`; NotStarted.
    """
    end = time.monotonic() + session.order.wait_s
    while True:
        try:
            return ask(session.cable)
        except NotStarted:
            raise
        except (InspectionError, EnvironmentProblem) as problem:
            if time.monotonic() > end:
                raise ProvisionError(
                    "station-silent",
                    f"expected the station to answer: {problem.text}",
                    "What its console says last names the cause.",
                ) from problem


def _self_test(session: Session) -> str:
    checks = _passed(session)
    about = inspect.state(session.cable)
    session.state.keep(checks=[list(one) for one in checks], firmware=about["firmware"])
    session.state.keep(meters=about["meters"], chain=about["chain"])
    later = [f"; later: {name}: {text}" for name, good, text in checks if not good]
    return f"{len(checks) - len(later)} of {len(checks)} checks pass" + "".join(later)


def _passed(session: Session) -> Checks:
    """The checks, once all that must hold do. Raises ProvisionError `self-test`."""
    end = time.monotonic() + session.order.wait_s
    later = _NOT_YET + (_ON_LINE if session.order.offline else ())
    while True:
        checks = patiently(session, inspect.check)
        wrong = [f"{name}: {text}" for name, good, text in checks if not (good or name in later)]
        if checks and not wrong:
            return checks
        if time.monotonic() > end:
            text = f"expected every check to pass, found {'; '.join(wrong)}"
            log = inspect.last_lines(session.cable)
            raise ProvisionError("self-test", text + quoted(log), _remedy(wrong))
        time.sleep(_PAUSE_S)


def _remedy(wrong: list[str]) -> str:
    if all(one.startswith(_ON_LINE) for one in wrong):
        return (
            "Check the network, uplink.url and the CA file; --offline leaves that for later: the "
            "station is then in service without having reached its collector."
        )
    return _REMEDY


def needed(text: str) -> Callable[[Any], str]:
    """A step that is always taken."""
    return lambda session: text


WHILE_IT_RUNS: Final = (
    Step("clock", needed("set the clock"), _set_clock),
    Step("self-test", needed("start the station and check it"), _self_test),
)
