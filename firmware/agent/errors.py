"""Every error type of the device.

A refusal carries a stable `code` that logs, events and tests name, a text that says what was
expected, what was found and what to do, and the fields as data. Tasks catch only what they can
answer; the supervisor takes the rest.
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
    """An upload failed; nothing was changed. Codes `tls-*`, `connect-*`, `http-*`, `ack-*`, ..."""


class ReadingError(FwError):
    """A journal record cannot be what it claims; codes `reading-*`, `context-*`."""


class BatchError(FwError):
    """A batch cannot be written as asked; codes `batch-*`."""


class SignerError(FwError):
    """Something that this key does not sign; codes `signer-*`."""


class ElementError(SignerError):
    """The secure element did not do what it was asked; codes `element-*`."""


class StoreError(FwError):
    """The state store cannot be read; what it holds is unknown: code `store-unreadable`."""


def unreadable(name, error):
    """The StoreError for what is there, perhaps: nobody may take it for missing."""
    return StoreError(
        "store-unreadable",
        "expected to read %s, found: %s; nothing was changed, a restart tries again"
        % (name, error),
    )


class KeystoreError(FwError):
    """Key or high-water mark cannot be used; codes `key-*`, `keystore-*`, `entropy-*`."""


class SealError(FwError):
    """A batch could not be sealed, nothing was lost; codes `seal-*`."""


class ProfileError(FwError):
    """A meter profile was refused; codes `profile-*`, field `where`."""


class ModbusError(FwError):
    """A read failed; `status` is that of WIRE_FORMAT.md section 4.4."""

    status = 3


class ModbusRequestError(ModbusError):
    """A request that no meter may be asked was refused; code `modbus-request`."""


class ModbusTimeout(ModbusError):
    """No answer; code `modbus-timeout`."""

    status = 1


class ModbusCrcError(ModbusError):
    """An answer with a wrong CRC; code `modbus-crc`."""

    status = 2


class ModbusMalformed(ModbusError):
    """Bytes that do not answer the request (address, function, length); `modbus-malformed`."""


class ModbusBusError(ModbusError):
    """The bus itself is not available; code `modbus-bus`."""

    status = 4


class ModbusException(ModbusError):
    """The meter refused the request; code `modbus-exception`, field `exception`."""

    @property
    def status(self):
        """128 plus the exception code."""
        return 128 + self.fields["exception"]


class JournalError(FwError):
    """The journal refused or cannot go on; codes `journal-*`."""


class JournalFull(JournalError):
    """No space that may be reused, under policy `stop`; nothing was lost; code `journal-full`."""


class JournalAckError(JournalError):
    """An acknowledgement that does not match what is held; codes `ack-unknown`, `ack-hash`."""


class SectorFault(JournalError):
    """A sector refused an erase or came back different from what was written; `journal-sector`."""


class UpdateError(FwError):
    """An update was refused, the old version stays; codes `update-*`."""


class MeterError(FwError):
    """The meters of the station cannot be told apart; codes `meter-*`."""


class SessionError(FwError):
    """A session command or the kept sessions are not what they should be; codes `session-*`."""
