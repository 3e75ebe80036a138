"""Finds out whether a board carries a secure element, and has the station use it.

board.json says whether a board may carry one, on the I2C lines of its clock. What the technician
wrote into the configuration counts; where it says nothing, the chip that answers is used.
"""

from typing import TYPE_CHECKING, Final

from meterseal.boards import load_board
from meterseal.provision import on_board
from meterseal.provision.errors import ProvisionError

if TYPE_CHECKING:
    from meterseal.provision.steps import Session

OPTION: Final = "secure_element"


def settle(session: "Session") -> None:
    """Put the chip into the configuration if it answers.

    Raises ProvisionError with the chip's own code if it answers and cannot be used.
    """
    order = session.order
    if OPTION in order.config or not order.board:
        return
    place = load_board(order.board)[OPTION]
    call = on_board.ELEMENT.format(clock=order.config["clock"], address=place["address"])
    found = session.link.call(call)
    if not found:
        if place["fitted"]:
            session.say(
                "the secure element of this board does not answer: the key is in the flash"
            )
        return
    if "code" in found:
        raise ProvisionError(
            found["code"],
            f"a secure element answers and cannot be used: {found['text']}",
            f'Mend it, or write "{OPTION}": "none" into --config for a key in the flash.',
        )
    order.config[OPTION] = place["chip"]
    session.say(f"secure element {found['serial']} answers: the key is made in it")
