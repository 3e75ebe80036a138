"""Firmware collects garbage often: that need not look at all of pytest each time."""

import gc


def pytest_collection_finish() -> None:
    """What is there now stays: leave it out of every collection to come."""
    gc.collect()
    gc.freeze()
