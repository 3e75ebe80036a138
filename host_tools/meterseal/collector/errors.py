"""What the collector answers instead of taking an upload: a status, a stable code, what to do."""

from typing import Final

from meterseal.errors import Error

_UNAVAILABLE: Final = 503
_RETRY_S: Final = 30


class CollectorError(Error):
    """A request that is not answered with 200. Nothing of it was acknowledged.

    `retry_after_s`: when to try again; 0: not said.
    """

    def __init__(
        self, status: int, code: str, text: str, remedy: str, retry_after_s: int = 0
    ) -> None:
        super().__init__(code, text, remedy)
        self.status = status
        self.retry_after_s = retry_after_s or (_RETRY_S if status == _UNAVAILABLE else 0)

    def body(self) -> dict[str, str]:
        """What the client gets to read."""
        return {"code": self.code, "error": self.text, "remedy": self.remedy}


def not_stored() -> CollectorError:
    """The database cannot be written now."""
    return CollectorError(
        503,
        "collector-store",
        "expected to write to the database, found that it failed",
        "The operator looks at the collector's log, disk space and database; send again later.",
    )


def not_judged() -> CollectorError:
    """An upload met a defect of the collector's own; the others are not concerned."""
    return CollectorError(
        503,
        "collector-judging",
        "expected to judge the batches, found that the collector failed at it",
        "The operator reports what the collector's log says; send again later.",
    )


def too_much(wait_s: float) -> CollectorError:
    """More that does not verify than an address or a device may send."""
    return CollectorError(
        429,
        "upload-rate",
        "expected less that does not verify from this address or device",
        "Enrol the device in the trust file; until then send less, and later.",
        max(1, min(3600, round(wait_s))),
    )
