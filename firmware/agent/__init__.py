"""The device package."""
