"""Warnings, and the function that issues them."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from asana_jobs_pd._public import public

if TYPE_CHECKING:
    import pandas as pd

_NOT_THE_USERS = str(Path(__file__).parents[1]) + os.sep, contextlib.__file__
"""The beginnings of the paths of files whose lines no user has written."""


@public
class AsanaChangeWarning(FutureWarning):
    """Asana announced an API change in an ``Asana-Change`` header.

    See Also
    --------
    connect : Clients collect the announcements.

    Examples
    --------
    >>> import warnings
    >>> warnings.simplefilter("error", aj.AsanaChangeWarning)  # to notice it in tests
    """


class AsanaLedgerWarning(UserWarning):
    """The ledger cannot be written: `recent_jobs` will miss the jobs read from now on.

    See Also
    --------
    ledger.path : Where the ledger is.

    Examples
    --------
    >>> issubclass(aj.errors.AsanaLedgerWarning, UserWarning)
    True
    """


@public
class AsanaStartWarning(UserWarning):
    """Jobs were not started, or an export comes from Asana's cache and may be stale.

    See Also
    --------
    AsanaAccessor.cached : The rows of exports from the cache.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     jobs = aj.export_graph("404")
    >>> caught[0].category.__name__
    'AsanaStartWarning'
    """


class AsanaValueWarning(UserWarning):
    """A value from Asana did not fit its column's dtype and became missing.

    See Also
    --------
    AsanaExport : Lists such values of an export in ``issues``.

    Examples
    --------
    >>> issubclass(aj.errors.AsanaValueWarning, UserWarning)
    True
    """


def warn_user(message: str, category: type[Warning], *, frame: pd.DataFrame | None = None) -> None:
    """Warn, at the user's line; if the warning is turned into an error, it carries ``.frame``."""
    caller, level = sys._getframe(), 1  # noqa: SLF001  as warnings does
    while caller.f_back is not None and caller.f_code.co_filename.startswith(_NOT_THE_USERS):
        caller, level = caller.f_back, level + 1
    try:
        warnings.warn(message, category, stacklevel=level)
    except Warning as warning:
        if frame is not None:
            warning.frame = frame  # type: ignore[attr-defined]
        raise
    except Exception:
        logging.getLogger("asana_jobs_pd").debug("cannot show a warning", exc_info=True)
