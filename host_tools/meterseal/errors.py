"""Errors that a person may meet: a stable code, what was expected and found, what to do."""

from typing import Any

from meterseal.errors_text import remedy


class Error(Exception):
    """Base of all errors of the host tools.

    `code` is stable and for machines, `text` says what was expected and what was found, `remedy`
    what to do.
    """

    def __init__(self, code: str, text: str, remedy: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between processes, whatever their own arguments are."""
        return _again, (type(self), self.code, self.text, self.remedy), self.__dict__

    def diagnostics(self) -> str:
        """The whole message for a person, with what to do about it."""
        return f"{self.text}\n{self.remedy}" if self.remedy else self.text


def _again(kind: type[Error], code: str, text: str, remedy_text: str) -> Error:
    error = kind.__new__(kind)
    Error.__init__(error, code, text, remedy_text)
    return error


class EnvironmentProblem(Error):
    """Something outside the project is missing or does not work: a file, a port, a program."""


class ProfileError(Error):
    """A meter profile is unknown or breaks the schema of firmware/profiles/README.md."""


class ConfigurationError(Error):
    """An option or a configuration file says something that cannot be meant."""


class VerificationError(Error):
    """Something is not what it claims to be and is refused. Codes: WIRE_FORMAT section 11."""

    def __init__(self, code: str, text: str, remedy_text: str = "") -> None:
        super().__init__(code, text, remedy_text or remedy(code))


class MalformedBatch(VerificationError):
    """The bytes are not a batch as WIRE_FORMAT describes it. `offset`: where it was noticed."""

    def __init__(self, code: str, text: str, offset: int | None = None) -> None:
        super().__init__(code, text)
        self.offset = offset


class BadSignature(VerificationError):
    """The signature is not the one that this key made over these bytes."""


class UnknownKey(VerificationError):
    """The trust file has no entry for this key."""


class PolicyRefused(VerificationError):
    """The batch is authentic, but the caller's policy does not accept what was found about it."""


class TrustError(VerificationError):
    """The trust file is not one, was altered, or is not signed by the expected operator."""


class MethodologyError(Error):
    """An input of the carbon calculation is missing, out of range or contradictory."""


class UpdateError(Error):
    """An update cannot be built, signed, published or read."""


class RegistryError(Error):
    """An entry that the registry cannot take, or entries that were altered."""
