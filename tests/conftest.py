"""Firmware collects garbage often: that need not look at all of pytest each time."""

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def _heap_of_its_own() -> None:
    """What is there before a file stays: leave it out of every collection to come."""
    gc.collect()
    gc.freeze()
