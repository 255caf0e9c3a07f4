"""Days and times as Asana takes them. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pandas as pd

from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["iso_day", "iso_instant"]


def iso_day(value: object, where: str) -> str:
    """Return a day as ``2026-05-21``.

    Raises
    ------
    InvalidOptionError
        When it is none; `where` names the option.
    """
    if isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    elif isinstance(value, date) and not pd.isna(value):
        return date(value.year, value.month, value.day).isoformat()
    raise InvalidOptionError(
        f"{where} = {value!r} is not a day: give one as '2026-05-21' or a date."
    )


def iso_instant(value: object, where: str) -> str:
    """Return a time as ``2026-05-21T00:00:00Z``; a day begins at midnight UTC.

    Raises
    ------
    InvalidOptionError
        When it is none, or has no time zone.
    """
    moment = _moment(value)
    if moment is None:
        raise InvalidOptionError(
            f"{where} = {value!r} is not a time: give one as '2026-05-21T09:30:00Z', a day, or a "
            "datetime with a time zone."
        )
    if moment.tzinfo is None:
        raise InvalidOptionError(
            f"{where} = {value!r} has no time zone: give one, as in '2026-05-21T09:30:00Z' or "
            "datetime(…, tzinfo=UTC)."
        )
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return text.removesuffix(".000") + "Z"


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            return _parsed(value)
        if isinstance(value, datetime) and not pd.isna(value):
            return value
        if isinstance(value, date) and not pd.isna(value):
            return datetime.combine(value, time(), UTC)
    except ValueError:
        pass
    return None


def _parsed(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return datetime.fromisoformat(text)
