"""The time zone that a picture or a report is told in. Pure."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["zone_of", "zone_words"]


def zone_of(zone: str | tzinfo | None) -> tzinfo:
    """Return a zone by its name, as it is, or UTC.

    Raises
    ------
    InvalidOptionError
        When there is no zone of that name.
    """
    if zone is None:
        return UTC
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (KeyError, TypeError, ValueError, OSError):  # whatever it is, a zone it is not
        pass
    raise InvalidOptionError(f"tz={zone!r} is no time zone; give one such as 'Europe/Berlin'.")


def zone_words(zone: tzinfo) -> str:
    """Return what a zone is called."""
    return getattr(zone, "key", None) or str(zone)
