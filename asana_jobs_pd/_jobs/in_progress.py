"""Whether a 403 means "not now" instead of "not you". Pure."""

from __future__ import annotations

import re
from http import HTTPStatus

from asana_jobs_pd._jobs.verbs import Verb
from asana_jobs_pd.errors import RequestError

__all__ = ["is_in_progress"]

_RUNNING = re.compile(r"in[ -]progress|concurrent", re.IGNORECASE)
_ONE_ALREADY = re.compile(r"already|at a time|one export|running|limit", re.IGNORECASE)


def is_in_progress(verb: Verb, error: RequestError | None) -> bool:
    """Tell whether Asana refused because of another export or duplication that still runs.

    One resource export a workspace is answered with 403, like what one may not do; Asana's
    words are not documented, so that several are taken for it.
    """
    if error is None or error.status != HTTPStatus.FORBIDDEN:
        return False
    if _RUNNING.search(error.reason):
        return True
    return verb.name == "export_resources" and bool(_ONE_ALREADY.search(error.reason))
