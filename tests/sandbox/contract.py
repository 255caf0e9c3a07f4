"""The part of Asana's published OpenAPI description that concerns `getJob`, as a table.

object → field → what its value is: `string`, `date-time`, `uri` or `boolean`, the name of
another object, or a tuple of allowed values. A trailing `?` allows null, as does the published
description or, for the objects of a job, Asana in practice.
"""

import re

OBJECTS = {
    "JobResponse": {
        "gid": "string",
        "resource_type": ("job",),
        "resource_subtype": "string",
        "status": ("not_started", "in_progress", "succeeded", "failed"),
        "new_portfolio": "PortfolioCompact?",
        "new_project": "ProjectCompact?",
        "new_task": "TaskCompact?",
        "new_project_template": "ProjectTemplateCompact?",
        "new_task_template": "TaskTemplateCompact?",
        "new_graph_export": "GraphExportCompact?",
        "new_resource_export": "ResourceExportCompact?",
    },
    "PortfolioCompact": {"gid": "string", "resource_type": ("portfolio",), "name": "string"},
    "ProjectCompact": {"gid": "string", "resource_type": ("project",), "name": "string"},
    "ProjectTemplateCompact": {
        "gid": "string",
        "resource_type": ("project_template",),
        "name": "string",
    },
    "TaskTemplateCompact": {
        "gid": "string",
        "resource_type": ("task_template",),
        "name": "string",
    },
    "TaskCompact": {
        "gid": "string",
        "resource_type": ("task",),
        "name": "string",
        "resource_subtype": ("default_task", "milestone", "approval", "custom"),
        "created_by": "UserReference",
    },
    "UserReference": {"gid": "string", "resource_type": ("user",)},
    "GraphExportCompact": {
        "gid": "string",
        "resource_type": ("graph_export",),
        "created_at": "date-time",
        "download_url": "uri?",
        "completed_at": "date-time?",
    },
    "ResourceExportCompact": {
        "gid": "string",
        "resource_type": ("export_request",),
        "created_at": "date-time",
        "download_url": "uri?",
        "completed_at": "date-time?",
    },
    "Error": {"message": "string", "help": "string", "phrase": "string"},
}
DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"
GID = r"[0-9]+"


def violations(value, kind, place="data"):
    """Return what contradicts the description, as sentences; absent fields do not."""
    if isinstance(kind, str) and kind.endswith("?"):
        return [] if value is None else violations(value, kind[:-1], place)
    if isinstance(kind, tuple):
        return [] if value in kind else [f"{place}: {value!r} is none of {kind}"]
    if kind in OBJECTS:
        return _object_violations(value, OBJECTS[kind], place)
    good = (
        isinstance(value, str)
        and {
            "string": lambda: not place.endswith("gid") or re.fullmatch(GID, value),
            "date-time": lambda: re.fullmatch(DATE_TIME, value),
            "uri": lambda: value.startswith("http") and " " not in value,
        }[kind]()
    )
    return [] if good else [f"{place}: {value!r} is not a {kind}"]


def _object_violations(value, fields, place):
    if not isinstance(value, dict):
        return [f"{place}: {value!r} is not an object"]
    found = [f"{place}.{name} is not described" for name in value if name not in fields]
    for name, kind in fields.items():
        if name in value:
            found += violations(value[name], kind, f"{place}.{name}")
    return found
