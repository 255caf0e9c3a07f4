"""Marks what users can import from the package itself."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["public"]

T = TypeVar("T")


def public(item: T) -> T:
    """Set ``__module__``, so that help and tracebacks show a name that can be imported."""
    item.__module__ = "asana_jobs_pd"
    return item
