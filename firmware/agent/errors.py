"""Every error type of the device.

A refusal carries a stable `code` that logs, events and tests name, a text that says what was expected, what was found
and what to do, and the fields as data. Tasks catch only what they can answer; the supervisor takes the rest.
"""


class FwError(Exception):
    """Base of all errors of the device: `code` is stable, `fields` are data."""

    code = "error"

    def __init__(self, code, text, **fields):
        super().__init__(text)
        self.code = code
        self.text = text
        self.fields = fields

    def __str__(self):
        return "%s: %s" % (self.code, self.text)


class ConfigError(FwError):
    """The configuration was refused; codes `config-*`, field `key`."""


class ClockError(FwError):
    """A time was refused or could not be got; codes `clock-*` and `ntp-*`."""


class UploadError(FwError):
    """An upload failed; nothing was changed. Codes `tls-*`, `connect-*`, `http-*`, `answer-*`, `ack-*`, `timeout`."""
