"""Host tools of Meterseal: put boards into service, verify what they sealed, report its worth."""

__version__ = "0.1.0"
