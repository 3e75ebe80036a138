"""Where the BOOT button is: the pin that decides at a reset whether the ROM loader comes.

Held down after the reset it asks for safe mode. From the data sheets, "Boot Configurations".
"""

_LATER = ("C2", "C3", "C6", "H2")  # the others have it at GPIO 0


def safe_pin(machine):
    """GPIO of the button; `machine`: sys.implementation._machine, which ends in the chip."""
    return 9 if machine.upper().replace("-", "")[-2:] in _LATER else 0
