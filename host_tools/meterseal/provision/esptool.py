"""esptool, as a program of its own: it ends its process where it cannot go on."""

import subprocess
import sys

from meterseal.provision.errors import ProvisionError


def esptool(*arguments: str) -> str:
    """What esptool says. Raises ProvisionError `image-flash`."""
    command = [sys.executable, "-m", "esptool", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [one for one in (done.stdout + done.stderr).splitlines() if one.strip()][-2:]
        raise ProvisionError(
            "image-flash",
            f"expected esptool to succeed, found: {' '.join(said)}",
            "Hold the BOOT button while the board starts, check image and --chip.",
        )
    return done.stdout
