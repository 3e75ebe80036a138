"""Audit: all that a collector holds, or that was exported, verified again device by device."""
