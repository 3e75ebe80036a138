"""Who is behind a pseudonym: a file of the operator, apart from every chain, pack and export.

A chain cannot be erased; this file can. Without an entry a pseudonym names nobody, and without the
key nobody can find out whose it would be.
"""

import hashlib
import hmac
import json
import os
import re
from pathlib import Path

from meterseal.errors import ConfigurationError

_PSEUDONYM_LEN = 16
_PSEUDONYM = re.compile("[0-9a-fA-F]{32}")


def pseudonym(key: bytes, identifier: str) -> str:
    """What a station with this `pseudonym_key` writes for an identifier: 32 hexadecimal digits.

    The first 16 bytes of HMAC-SHA256 (RFC 2104) over the UTF-8 of the identifier.
    """
    return hmac.new(key, identifier.encode(), hashlib.sha256).digest()[:_PSEUDONYM_LEN].hex()


class People:
    """Pseudonym -> identifier, in a JSON file that only its owner can read.

    Raises ConfigurationError `people-unreadable`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._read()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, key: bytes, identifier: str) -> str:
        """Keep an identifier; its pseudonym."""
        return self.put(pseudonym(key, identifier), identifier)

    def put(self, pseudonym_hex: str, identifier: str) -> str:
        """Keep an identifier under the pseudonym that a station gave; that pseudonym.

        Raises ConfigurationError `people-pseudonym`.
        """
        if not _PSEUDONYM.fullmatch(pseudonym_hex):
            raise ConfigurationError(
                "people-pseudonym",
                f"expected 32 hexadecimal digits, found {pseudonym_hex[:40]!r}",
                "Give the pseudonym as the station answered it.",
            )
        self._known[pseudonym_hex.lower()] = identifier
        self._write()
        return pseudonym_hex.lower()

    def of(self, pseudonym_hex: str) -> str | None:
        """The identifier, or None if nobody is known."""
        return self._known.get(pseudonym_hex.lower())

    def delete(self, pseudonym_hex: str) -> bool:
        """Forget an identifier for good; whether there was one."""
        found = self._known.pop(pseudonym_hex.lower(), None)
        if found is not None:
            self._write()
        return found is not None

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): str(found[name]) for name in found}
        except (OSError, ValueError, TypeError) as problem:
            raise ConfigurationError(
                "people-unreadable",
                f"expected a JSON object of pseudonyms in {self._path}: {problem}",
                "Restore the file, or begin a new one under another name.",
            ) from problem

    def _write(self) -> None:
        """Whole or not at all, readable for its owner alone."""
        fresh = self._path.with_name(self._path.name + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self._known, file, indent=1, sort_keys=True, ensure_ascii=False)
            file.write("\n")
        os.replace(fresh, self._path)
