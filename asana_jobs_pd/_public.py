"""Decorators for what users import from the package itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def public(item: T) -> T:
    """Set ``__module__``, so that help and tracebacks show where a name can be imported from."""
    item.__module__ = "asana_jobs_pd"
    return item


def options_of(model: Callable[P, T]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Give a function the signature and ``Parameters`` of a class, to write options only once."""

    def decorate(function: Callable[..., T]) -> Callable[P, T]:
        signature = inspect.signature(model).replace(return_annotation=model)
        function.__signature__ = signature  # type: ignore[attr-defined]
        if function.__doc__ and model.__doc__:  # neither with python -OO
            doc, of_model = inspect.cleandoc(function.__doc__), inspect.cleandoc(model.__doc__)
            start, end = of_model.index("Parameters\n"), of_model.index("Attributes\n")
            function.__doc__ = doc.replace("Returns\n", of_model[start:end] + "Returns\n", 1) + "\n"
        return function

    return decorate
