"""`ResourceExport`: what a resource export contains, by type, filters and fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, Self, get_args

from asana_jobs_pd._jobs.gids import NO_URLS, parse_gids
from asana_jobs_pd._options import check_flag, or_nearest
from asana_jobs_pd._public import public
from asana_jobs_pd._start.endpoints import check_choice, iso_instant
from asana_jobs_pd.errors import InvalidFieldError, InvalidGidError, InvalidOptionError
from asana_jobs_pd.typing import (
    ExportFilters,
    Gids,
    Instant,
    MessageExportField,
    ResourceType,
    TaskExportField,
    TeamExportField,
)

_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_FIELDS: dict[str, tuple[str, ...]] = {
    "task": get_args(TaskExportField),
    "team": get_args(TeamExportField),
    "message": get_args(MessageExportField),
}
_FILTERS = tuple(ExportFilters.__annotations__)
_FILTERS_OF: dict[str, tuple[str, ...]] = {
    "task": _FILTERS,
    "team": (),
    "message": tuple(name for name in _FILTERS if not name.startswith("assign")),
}


@public
@dataclass(frozen=True, slots=True)
class ResourceExport:
    """One kind of resource in an export, with filters and fields.

    Create one with `tasks`, `teams` or `messages`, whose options editors complete. Two of the same
    type with different filters export what matches either filter, possibly twice.

    Parameters
    ----------
    resource_type
        ``"task"``, ``"team"`` or ``"message"``.
    filters
        Filters with Asana's names, such as ``{"assignee.any": ["12"]}``; by default, none.
    fields
        The fields to export, such as ``["name", "assignee.name"]``; by default, those that Asana
        chooses. An export with fewer fields is faster.
    strict
        False accepts fields that are not documented.

    Raises
    ------
    InvalidOptionError, InvalidGidError, InvalidFieldError
        If a value is invalid; the error names it and the valid ones.

    See Also
    --------
    export_resources : Start the export.

    Notes
    -----
    https://developers.asana.com/reference/createresourceexport

    Examples
    --------
    >>> mine = aj.ResourceExport.tasks(assignee="12", created_after="2026-01-01", fields=["name"])
    >>> dict(mine.filters)
    {'assignee.any': ['12'], 'created_at.after': '2026-01-01T00:00:00Z'}
    """

    resource_type: ResourceType
    filters: ExportFilters = field(default_factory=ExportFilters)
    fields: tuple[str, ...] = ()
    strict: InitVar[bool] = True

    def __post_init__(self, strict: bool) -> None:
        check_flag("strict", strict)
        check_choice("resource_type", self.resource_type, get_args(ResourceType))
        object.__setattr__(self, "filters", _filters(self.resource_type, self.filters))
        object.__setattr__(self, "fields", _fields(self.resource_type, self.fields, strict=strict))

    @classmethod
    def tasks(
        cls,
        *,
        assignee: Gids | None = None,
        assigned_by: Gids | None = None,
        created_by: Gids | None = None,
        commented_on_by: Gids | None = None,
        followers: Gids | None = None,
        liked_by: Gids | None = None,
        created_after: Instant | None = None,
        created_before: Instant | None = None,
        modified_after: Instant | None = None,
        modified_before: Instant | None = None,
        fields: Iterable[TaskExportField | str] = (),
        strict: bool = True,
    ) -> Self:
        """Return an export of tasks.

        Attachments and stories are included unless `fields` says otherwise.

        Parameters
        ----------
        assignee, assigned_by, created_by, commented_on_by, followers, liked_by
            Gids of users; if there are several, any of them may match.
        created_after, created_before, modified_after, modified_before
            Days, which begin at midnight UTC, or times with a time zone.
        fields
            What to export of each task, such as ``["name", "assignee.name"]``.
        strict
            False accepts fields that are not documented.

        Returns
        -------
        ResourceExport
            For `export_resources`.

        See Also
        --------
        ResourceExport.messages : The same for messages.

        Examples
        --------
        >>> aj.ResourceExport.tasks(modified_after="2026-01-01").resource_type
        'task'
        """
        filters = {
            "assignee.any": assignee,
            "assigned_by.any": assigned_by,
            "created_by.any": created_by,
            "commented_on_by.any": commented_on_by,
            "followers.any": followers,
            "liked_by.any": liked_by,
            "created_at.after": created_after,
            "created_at.before": created_before,
            "modified_at.after": modified_after,
            "modified_at.before": modified_before,
        }
        return cls("task", _given(filters), fields, strict)  # type: ignore[arg-type]  # tuple of it

    @classmethod
    def teams(cls, *, fields: Iterable[TeamExportField | str] = (), strict: bool = True) -> Self:
        """Return an export of teams, with their members; Asana has no filters for them.

        Parameters
        ----------
        fields, strict
            As in `tasks`.

        Returns
        -------
        ResourceExport
            For `export_resources`.

        See Also
        --------
        ResourceExport.tasks : The same for tasks.

        Examples
        --------
        >>> list(aj.ResourceExport.teams(fields=["name", "members"]).fields)
        ['name', 'members']
        """
        return cls("team", ExportFilters(), fields, strict)  # type: ignore[arg-type]

    @classmethod
    def messages(
        cls,
        *,
        created_by: Gids | None = None,
        commented_on_by: Gids | None = None,
        followers: Gids | None = None,
        liked_by: Gids | None = None,
        created_after: Instant | None = None,
        created_before: Instant | None = None,
        modified_after: Instant | None = None,
        modified_before: Instant | None = None,
        fields: Iterable[MessageExportField | str] = (),
        strict: bool = True,
    ) -> Self:
        """Return an export of messages and status updates.

        Parameters
        ----------
        created_by, commented_on_by, followers, liked_by
            Gids of users; if there are several, any of them may match.
        created_after, created_before, modified_after, modified_before, fields, strict
            As in `tasks`.

        Returns
        -------
        ResourceExport
            For `export_resources`.

        See Also
        --------
        ResourceExport.tasks : The same for tasks.

        Examples
        --------
        >>> aj.ResourceExport.messages(created_by="12").resource_type
        'message'
        """
        filters = {
            "created_by.any": created_by,
            "commented_on_by.any": commented_on_by,
            "followers.any": followers,
            "liked_by.any": liked_by,
            "created_at.after": created_after,
            "created_at.before": created_before,
            "modified_at.after": modified_after,
            "modified_at.before": modified_before,
        }
        return cls("message", _given(filters), fields, strict)  # type: ignore[arg-type]

    @property
    def parameter(self) -> dict[str, Any]:
        """One item of Asana's ``export_request_parameters``.

        See Also
        --------
        export_resources : Sends it.

        Examples
        --------
        >>> aj.ResourceExport.teams().parameter["resource_type"]
        'team'
        """
        parts = {"filters": dict(self.filters), "fields": list(self.fields)}
        given = {name: part for name, part in parts.items() if part}
        return {"resource_type": self.resource_type, **given}


def export_parameters(
    resources: ResourceType | ResourceExport | Iterable[ResourceType | ResourceExport],
) -> list[dict[str, Any]]:
    """Return Asana's ``export_request_parameters``."""
    alone = isinstance(resources, str | ResourceExport) or not isinstance(resources, Iterable)
    wanted: list[Any] = [resources] if alone else list(resources)  # type: ignore[arg-type]
    if not wanted:
        raise InvalidOptionError(
            "resources is empty: give 'task', 'team', 'message' or a ResourceExport."
        )
    return [_parameter(each) for each in wanted]


def _parameter(resource: object) -> dict[str, Any]:
    if isinstance(resource, ResourceExport):
        return resource.parameter
    check_choice("resources", resource, get_args(ResourceType))
    return {"resource_type": resource}


def _given(filters: Mapping[str, object]) -> ExportFilters:
    return {  # type: ignore[return-value]
        name: value for name, value in filters.items() if value is not None
    }


def _filters(resource_type: str, given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidOptionError(
            f"filters = {given!r}: give a dict, such as {{'assignee.any': ['12']}}."
        )
    known = _FILTERS_OF[resource_type]
    filters: dict[str, Any] = {}
    for name, value in given.items():
        if not known:
            raise InvalidOptionError(f"Asana has no filters for teams; leave {name!r} out.")
        check_choice("filters", name, known)
        label = f"filters[{name!r}]"
        filters[name] = (
            _people(value, label) if name.endswith(".any") else iso_instant(label, value)
        )
    _check_order(filters)
    return filters


def _people(value: Any, where: str) -> list[str]:
    try:
        gids = list(dict.fromkeys(parse_gids(value, urls=NO_URLS)))
    except InvalidGidError as error:
        reason = str(error)
    else:
        if gids:
            return gids
        raise InvalidOptionError(f"{where} is empty, so nothing would match: leave it out for all.")
    raise InvalidGidError(f"{where}: {reason}")


def _check_order(filters: Mapping[str, str]) -> None:
    for name in ("created_at", "modified_at"):
        after, before = filters.get(f"{name}.after"), filters.get(f"{name}.before")
        if after and before and after.removesuffix("Z") >= before.removesuffix("Z"):
            raise InvalidOptionError(
                f"filters: {name}.after = {after!r} is not before {name}.before = {before!r}, so "
                "nothing would match both."
            )


def _fields(resource_type: str, given: object, *, strict: bool) -> tuple[str, ...]:
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Iterable):
        raise InvalidFieldError(f"fields = {given!r}: give a list of fields.")
    names = tuple(dict.fromkeys(given))
    for name in names:
        _check_field(resource_type, name, strict=strict)
    return names


def _check_field(resource_type: str, name: object, *, strict: bool) -> None:
    if not isinstance(name, str) or not _PATH.fullmatch(name):
        raise InvalidFieldError(
            f"{name!r} is not a field name, such as 'name' or 'created_by.name'."
        )
    known = _FIELDS[resource_type]
    if strict and name.partition(".")[0] not in known:
        raise InvalidFieldError(
            f"{name!r} is not a field of a {resource_type} in an export{or_nearest(name, known)} "
            "If Asana has it all the same, pass strict=False."
        )
