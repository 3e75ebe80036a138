"""Who does it: named by --by, else the user of this computer."""

import getpass

from meterseal.errors import ConfigurationError


def named(by: str) -> str:
    """The name. Raises ConfigurationError `by-missing` where the system does not tell it."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError) as problem:  # no variable, and no user database
        text = f"expected the name of who does it, found none on this computer ({problem})"
        raise ConfigurationError("by-missing", text, "Give --by NAME.") from problem
