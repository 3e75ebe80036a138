"""Errors that a person may meet. Each has a stable `code`; the text says what was expected, what was found, what to do."""


class Error(Exception):
    """Base of all errors of the host tools.

    `code` is stable and for machines, `text` says what was expected and what was found, `remedy` what to do.
    """

    def __init__(self, code: str, text: str, remedy: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.remedy = remedy

    def diagnostics(self) -> str:
        """The whole message for a person, with what to do about it."""
        return f"{self.text}\n{self.remedy}" if self.remedy else self.text


class EnvironmentProblem(Error):
    """Something outside the project is missing or does not work: a file, a port, a program."""


class ProfileError(Error):
    """A meter profile is unknown or breaks the schema of firmware/profiles/README.md."""
