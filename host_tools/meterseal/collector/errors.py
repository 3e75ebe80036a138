"""What the collector answers instead of taking an upload: a status, a stable code, what to do."""

from meterseal.errors import Error


class CollectorError(Error):
    """A request that is not answered with 200. Nothing of it was acknowledged."""

    def __init__(self, status: int, code: str, text: str, remedy: str) -> None:
        super().__init__(code, text, remedy)
        self.status = status

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
