"""Run one property on as many random examples as the run can afford."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings


def fuzz(check: Callable[..., None], strategies: Sequence[Any], examples: int) -> None:
    """Raises what `check` raises for the smallest example that fails."""
    settings(max_examples=examples, deadline=None)(given(*strategies)(check))()
