"""Refusals while a board is put into service."""

from meterseal.errors import Error


class ProvisionError(Error):
    """A step that could not be taken; what was done before it stays done."""
