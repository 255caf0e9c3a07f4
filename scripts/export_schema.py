"""Derive `asana_jobs_pd/_decode/schema.py` from Asana's published OpenAPI description.

`python scripts/export_schema.py PATH_TO_OPENAPI_YAML > asana_jobs_pd/_decode/schema.py`, then
`ruff format` it. The description is at
https://github.com/Asana/openapi/blob/master/defs/asana_oas.yaml. Needs PyYAML.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

Spec = str | list[Any] | dict[str, Any]

HEADER = '''\
"""THE table of export files: every documented field of every type of row, and its kind.

Made by `scripts/export_schema.py` from Asana's published OpenAPI description, whose schemas
stand behind the rows; what it says in words only (stories, attachments, messages, the links of
graph exports) is added there. A dict is an object, a list holds what its one entry says.

Kinds: `gid` and `text` become strings, `time` UTC timestamps, `date` dates; `bool`, `int` and
`float` speak for themselves; `custom_fields` become columns of their own.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

__all__ = ["SCHEMA", "Spec", "kind_by_name"]

Spec: TypeAlias = str | list[Any] | dict[str, Any]

'''
FOOTER = '''

def kind_by_name(key: str) -> str | None:
    """Return the kind that a name stands for wherever Asana uses it, or None."""
    if key == "gid":
        return "gid"
    if key in ("name", "resource_type", "resource_subtype"):
        return "text"
    if key.endswith("_at"):
        return "time"
    return "date" if key.endswith("_on") else None
'''
ROWS = {
    "task": "TaskResponse",
    "project": "ProjectResponse",
    "portfolio": "PortfolioResponse",
    "section": "SectionResponse",
    "team": "TeamResponse",
    "message": "StatusUpdateResponse",
    "status_update": "StatusUpdateResponse",
    "project_status": "ProjectStatusResponse",
    "allocation": "AllocationResponse",
    "time_tracking_entry": "TimeTrackingEntryBase",
    "tag": "TagCompact",
    "user": "UserCompact",
}
KINDS = {"boolean": "bool", "integer": "int", "number": "float"}
FORMATS = {"date": "date", "date-time": "time"}
DEEPEST = 3
REF = {"gid": "gid", "resource_type": "text", "name": "text"}
SUBTYPED = {**REF, "resource_subtype": "text"}
STORY = {
    "gid": "gid",
    "resource_type": "text",
    "created_at": "time",
    "created_by": REF,
    "resource_subtype": "text",
    "type": "text",
    "text": "text",
    "html_text": "text",
    "is_pinned": "bool",
    "num_likes": "int",
    "liked": "bool",
}
# What the description of POST /exports/resource and /exports/graph says in words.
IN_WORDS: dict[str, dict[str, Spec]] = {
    "task": {"stories": [STORY], "attachments": [SUBTYPED], "assignee_section": REF},
    "team": {"members": [REF]},
    "message": {
        "html_notes": "text",
        "followers": [REF],
        "parents": [REF],
        "stories": [STORY],
        "attachments": [SUBTYPED],
    },
    "project": {"project_brief": {"gid": "gid", "resource_type": "text"}},
    "goal": {
        **SUBTYPED,
        "html_notes": "text",
        "notes": "text",
        "due_on": "date",
        "start_on": "date",
        "is_workspace_level": "bool",
        "liked": "bool",
        "num_likes": "int",
        "likes": [{"gid": "gid", "user": REF}],
        "status": "text",
        "owner": REF,
        "team": REF,
        "workspace": REF,
        "followers": [REF],
        "current_status_update": {
            "gid": "gid",
            "resource_type": "text",
            "title": "text",
            "resource_subtype": "text",
        },
        "metric": {
            "gid": "gid",
            "resource_type": "text",
            "resource_subtype": "text",
            "precision": "int",
            "unit": "text",
            "currency_code": "text",
            "initial_number_value": "float",
            "target_number_value": "float",
            "current_number_value": "float",
            "current_display_value": "text",
            "progress_source": "text",
            "is_custom_weight": "bool",
            "can_manage": "bool",
        },
        "custom_fields": "custom_fields",
    },
    "membership": {
        "gid": "gid",
        "resource_type": "text",
        "resource_subtype": "text",
        "parent": REF,
        "member": REF,
        "access_level": "text",
    },
    "project_membership": {
        "gid": "gid",
        "resource_type": "text",
        "parent": REF,
        "project": REF,
        "member": REF,
        "user": REF,
        "access_level": "text",
        "write_access": "text",
    },
    "portfolio_membership": {
        "gid": "gid",
        "resource_type": "text",
        "portfolio": REF,
        "user": REF,
    },
    "team_membership": {
        "gid": "gid",
        "resource_type": "text",
        "user": REF,
        "team": REF,
        "is_guest": "bool",
        "is_limited_access": "bool",
        "is_admin": "bool",
    },
    "portfolio_to_portfolio": {
        "gid": "gid",
        "resource_type": "text",
        "parent_portfolio": REF,
        "child_portfolio": REF,
    },
    "project_to_portfolio": {
        "gid": "gid",
        "resource_type": "text",
        "portfolio": REF,
        "project": REF,
    },
    "user": {"email": "text", "workspaces": [REF]},
    "tag": {"color": "text", "notes": "text", "created_at": "time", "workspace": REF},
}


def resolve(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to and is composed of."""
    whole: dict[str, Any] = {"properties": {}}
    parts = list(schema.get("allOf", ()))
    if "$ref" in schema:
        parts.insert(0, schemas.get(schema["$ref"].rsplit("/", 1)[-1], {}))
    for part in parts:
        inner = resolve(schemas, part)
        whole["properties"] |= inner.pop("properties")
        whole |= inner
    whole["properties"] |= schema.get("properties", {})
    return whole | {key: schema[key] for key in ("type", "format", "items") if key in schema}


def spec_of(schemas: dict[str, Any], key: str, schema: dict[str, Any], depth: int) -> Spec:
    """Return what the table says of a field."""
    whole = resolve(schemas, schema)
    if key == "custom_fields":
        return "custom_fields"
    if whole["properties"] and depth < DEEPEST:
        return {
            name: spec_of(schemas, name, inner, depth + 1)
            for name, inner in whole["properties"].items()
            if resolve(schemas, inner)["properties"] == {} or depth + 1 < DEEPEST
        }
    if whole.get("type") == "array":
        return [spec_of(schemas, "", whole.get("items", {}), depth)]
    if key == "gid":
        return "gid"
    return KINDS.get(whole.get("type", ""), FORMATS.get(whole.get("format", ""), "text"))


def table(schemas: dict[str, Any]) -> dict[str, dict[str, Spec]]:
    """Return the table: resource type, field, spec."""
    rows: dict[str, dict[str, Spec]] = {}
    for row, name in ROWS.items():
        spec = spec_of(schemas, row, schemas[name], 0)
        assert isinstance(spec, dict), row
        spec.pop("custom_field_settings", None)  # definitions, not values
        rows[row] = spec
    for row, words in IN_WORDS.items():
        rows[row] = rows.get(row, {}) | words
    return rows


def written(spec: Spec, names: dict[str, str]) -> str:
    """Return a spec as Python, repeated objects by their name."""
    if isinstance(spec, dict):
        inside = ", ".join(f'"{key}": {written(value, names)}' for key, value in spec.items())
        return names.get(f"{{{inside}}}", f"{{{inside}}}")
    if isinstance(spec, list):
        return f"[{written(spec[0], names)}]"
    return f'"{spec}"'


def main(path: str) -> None:
    """Print the module."""
    schemas = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["components"]["schemas"]
    names: dict[str, str] = {}
    print(HEADER)
    for name, spec in {"_REF": REF, "_SUBTYPED": SUBTYPED, "_STORY": STORY}.items():
        print(f"{name}: Final = {written(spec, names)}")
        names[written(spec, names)] = name
    print("SCHEMA: Final[dict[str, dict[str, Spec]]] = {")
    for row, fields in table(schemas).items():
        print(f'"{row}": {{')
        print(*(f'"{key}": {written(spec, names)},' for key, spec in fields.items()), sep="\n")
        print("},")
    print("}")
    print(FOOTER)


if __name__ == "__main__":
    main(sys.argv[1])
