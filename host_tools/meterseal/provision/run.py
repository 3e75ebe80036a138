"""Takes a board through the steps, telling what happens; goes on where it stopped."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from meterseal.provision.finish import STEPS
from meterseal.provision.link import find_port
from meterseal.provision.order import Order, State
from meterseal.provision.steps import Session

_DRY_STEPS: Final = ("firmware", "agent", "configuration")
"""What can be found out about a board without changing anything on it."""

_KEPT_INSIDE: Final = ("record",)

Say = Callable[[str, str], None]
"""`say(step, text)`."""


def provision(order: Order, say: Say) -> dict[str, Any]:
    """Put a board into service; what is known about it then.

    Raises EnvironmentProblem `port-missing`; ProvisionError and others with the step's code. What
    was done before stays done: the same order goes on from there.
    """
    order = replace(order, port=find_port(order.port))
    order.check()
    state = State(order.out)
    session = Session(order, state, lambda text: None)
    total = len(STEPS)
    try:
        for number, step in enumerate(STEPS, 1):
            name = f"{number}/{total} {step.name}"
            session.say = _under(say, name)
            needed = step.needed(session)
            if not needed:
                say(name, "done already")
                continue
            say(name, needed + " ...")
            say(name, step.act(session))
    finally:
        session.leave()
    return {key: value for key, value in state.values.items() if key not in _KEPT_INSIDE}


def _under(say: Say, name: str) -> Callable[[str], None]:
    return lambda text: say(name, text)


def plan(order: Order) -> list[tuple[str, str]]:
    """(step, what it would do or ""): looks at the board and writes nothing anywhere."""
    order = replace(order, port=find_port(order.port))
    order.check()
    session = Session(order, _Unwritten(order.out), lambda text: None)
    try:
        found = []
        for step in STEPS:
            if step.name in _DRY_STEPS:
                found.append((step.name, step.needed(session)))
            else:
                found.append((step.name, "see to it" if _open(step.name, session) else ""))
        return found
    finally:
        session.leave()


def _open(name: str, session: Session) -> bool:
    known = {"key": "public_key", "proof": "proof", "record": "record", "batch": "batch"}
    return name not in known or not session.state.has([known[name]])


class _Unwritten(State):
    """A state that only remembers."""

    def keep(self, **values: Any) -> None:
        self.values.update(values)
