"""Puts boards into service, by mpremote's transport: from a blank board to a verified batch."""
