"""Decorators of what users can import from the package itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def public(item: T) -> T:
    """Set ``__module__``, so that help and tracebacks show a name that can be imported."""
    item.__module__ = "asana_jobs_pd"
    return item


def signature_of(model: Callable[P, T]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Give a function the signature of a class that it makes: options are written once."""

    def decorate(function: Callable[..., T]) -> Callable[P, T]:
        signature = inspect.signature(model).replace(return_annotation=model)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return decorate
