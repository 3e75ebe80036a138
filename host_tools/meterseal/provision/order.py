"""What a technician wants of a board, and what is known about it: the order and the state file."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from meterseal.boards import load_board
from meterseal.errors import ConfigurationError
from meterseal.provision.errors import ProvisionError
from meterseal.provision.image import profile_files
from meterseal.sim.station import DEFAULTS

STATE: Final = "state.json"
_SECRET: Final = re.compile("password|token|_key$|secret")


@dataclass
class Order:
    """One station. `out`: directory of the state file and the report; `wait_s`: for the meters.

    `offline`: the way to the collector need not work yet; `replaces`: device id of the board whose
    meters this one takes over; `erase`: what is on the flash may go when it is flashed.
    """

    port: str
    config: dict[str, Any]
    out: Path
    secrets: dict[str, Any] = field(default_factory=dict, repr=False)
    ca_der: bytes = b""
    image: Path | None = None
    chip: str = "auto"
    board: str = ""
    registry: str = ""
    by: str = ""
    wait_s: float = 60.0
    offline: bool = False
    replaces: str = ""
    erase: bool = False
    meters: list[dict[str, Any]] = field(default_factory=list)

    @property
    def station(self) -> str:
        """Its id."""
        return str(self.config["station_id"])

    def check(self) -> None:
        """Raises ProvisionError `uplink-missing` if the station could never send anything."""
        if not self.offline and not self.config.get("uplink", {}).get("url"):
            raise ProvisionError(
                "uplink-missing",
                "expected the collector's address in uplink.url of --config, found none",
                "Add it, or give --offline for a station that is emptied by hand.",
            )

    def files(self) -> dict[str, bytes]:
        """Configuration, secrets, authority and profiles, as they belong on the board."""
        found = profile_files(self.config)
        if self.secrets:
            found["secrets.json"] = _json(self.secrets)
        if self.ca_der:
            found["ca.der"] = self.ca_der
        return found | {"config.json": _json(self.config)}


def complete(config: dict[str, Any], station: str = "", board: str = "") -> dict[str, Any]:
    """A configuration with the defaults, what the board decides, and a station's id.

    Raises ConfigurationError `station-id` if there is none; ProvisionError `secret-in-config`.
    """
    of_board = load_board(board)["config"] | {"update": {"board": board}} if board else {}
    found: dict[str, Any] = (
        DEFAULTS | merged(of_board, config) | ({"station_id": station} if station else {})
    )
    if not found.get("station_id"):
        raise ConfigurationError("station-id", "expected a station id, found none", "Name one.")
    if wrong := sorted(name for name in _names(found) if _SECRET.search(name)):
        raise ProvisionError(
            "secret-in-config",
            f"expected secrets in the file of --secrets, found {', '.join(wrong)} in --config",
            "Move them there.",
        )
    return found


def merged(below: Any, above: Any) -> Any:
    """`above` over `below`, member by member; a section of another `kind` replaces the whole."""
    if isinstance(below, dict) and isinstance(above, dict):
        if above.get("kind", below.get("kind")) != below.get("kind"):
            return above
        return below | {name: merged(below.get(name), value) for name, value in above.items()}
    if isinstance(below, list) and isinstance(above, list):
        return [merged(*pair) for pair in zip(below, above, strict=False)] + above[len(below) :]
    return above


def _names(value: Any) -> Iterator[str]:
    """Every name in a configuration, however deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield from value
    for one in inner:
        yield from _names(one)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ConfigurationError `config-unreadable`; does not quote the file."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as problem:
        text = f"expected a JSON file {path}, found {type(problem).__name__}"
        raise ConfigurationError("config-unreadable", text, "Correct path or file.") from None
    if not isinstance(found, dict):
        raise ConfigurationError("config-unreadable", f"expected an object in {path}", "")
    return found


class State:
    """What was found so far, kept after each step; nothing in it is secret."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE
        self.values: dict[str, Any] = read_json(self._path) if self._path.is_file() else {}

    def claim(self, unique_id: str) -> None:
        """This directory is about this board. Raises ProvisionError `state-other-board`."""
        if self.values.get("unique_id", unique_id) != unique_id:
            raise ProvisionError(
                "state-other-board",
                f"expected board {self.values['unique_id']} of {self._path}, found {unique_id}",
                "Give each board its own --out.",
            )
        self.keep(unique_id=unique_id)

    def keep(self, **values: Any) -> None:
        """Add values; the file is replaced as a whole."""
        self.values.update(values)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(_json(self.values))
        fresh.replace(self._path)

    def drop(self, names: Iterable[str]) -> None:
        """Forget values, with the next `keep`."""
        for name in names:
            self.values.pop(name, None)

    def has(self, names: Iterable[str]) -> bool:
        """Whether all of these are known."""
        return all(name in self.values for name in names)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
