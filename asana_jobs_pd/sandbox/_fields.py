"""`opt_fields`: which names this Asana knows, and what of a record they select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KNOWN_FIELDS = frozenset(
    {
        "new_graph_export",
        "new_graph_export.completed_at",
        "new_graph_export.created_at",
        "new_graph_export.download_url",
        "new_portfolio",
        "new_portfolio.name",
        "new_project",
        "new_project.name",
        "new_project_template",
        "new_project_template.name",
        "new_resource_export",
        "new_resource_export.completed_at",
        "new_resource_export.created_at",
        "new_resource_export.download_url",
        "new_task",
        "new_task.created_by",
        "new_task.name",
        "new_task.resource_subtype",
        "new_task_template",
        "new_task_template.name",
        "resource_subtype",
        "status",
    }
)
_ITSELF = ""
_ALWAYS = {"gid", "resource_type"}
_DETAILS = {"created_by"}
_LEAVES = _DETAILS | {
    "gid",
    "resource_type",
    "resource_subtype",
    "name",
    "created_at",
    "completed_at",
    "download_url",
}

Selection = dict[str, frozenset[str]]


class UnknownFieldError(ValueError):
    """A name in `opt_fields` that this Asana does not know."""


class Fields:
    """The fields of a job that can be asked for.

    Parameters
    ----------
    known
        Their names, `new_task.name` and the like; None for those of Asana's documentation.
    """

    def __init__(self, known: Iterable[str] | None = None) -> None:
        self._known = KNOWN_FIELDS if known is None else frozenset(known)
        self._tops = {name.partition(".")[0] for name in self._known}
        self.objects = tuple(sorted(top for top in self._tops if top.startswith("new_")))
        self._compact: Selection = dict.fromkeys(self._tops, frozenset({_ITSELF}))

    def parse(self, names: tuple[str, ...]) -> Selection:
        """Turn names into a selection; no names select the compact record.

        Raises
        ------
        UnknownFieldError
            If one of them is not known.
        """
        if not names:
            return self._compact
        selection: dict[str, set[str]] = {}
        for name in names:
            if name not in self._known:
                raise UnknownFieldError(name)
            top, _, leaf = name.partition(".")
            selection.setdefault(top, set()).add(leaf or _ITSELF)
        return {top: frozenset(leaves) for top, leaves in selection.items()}

    def select(self, record: Mapping[str, Any], selection: Selection) -> dict[str, Any]:
        """Return what a selection leaves of a record; what this Asana has no name for stays."""
        chosen = {}
        for key, value in record.items():
            if key in selection:
                chosen[key] = _part(value, selection[key])
            elif key in _ALWAYS or key not in self._tops:
                chosen[key] = value
        return chosen


def _part(value: Any, leaves: frozenset[str]) -> Any:
    if not isinstance(value, dict):
        return value
    whole = _ITSELF in leaves
    return {
        key: item
        for key, item in value.items()
        if key in leaves or key == "gid" or key not in _LEAVES or (whole and key not in _DETAILS)
    }
