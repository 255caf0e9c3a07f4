"""Derive `asana_jobs_pd/_decode/schema.json` from Asana's published OpenAPI description.

`python scripts/export_schema.py PATH_TO_OPENAPI_YAML > asana_jobs_pd/_decode/schema.json`. The
description is at https://github.com/Asana/openapi/blob/master/defs/asana_oas.yaml. What that
describes in words only (stories, attachments, messages, the links of graph exports) is here.
Needs PyYAML.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Spec = str | list[Any] | dict[str, Any]

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
SETTING = "CustomFieldSettingResponse"
KINDS = {"boolean": "bool", "integer": "int", "number": "float"}
FORMATS = {"date": "date", "date-time": "time"}
REF = {"gid": "gid", "resource_type": "text", "name": "text"}
SUBTYPED = {**REF, "resource_subtype": "text"}
OPTION = {**REF, "enabled": "bool", "color": "text"}
DATES = {"start_on": "date", "due_at": "time", "due_on": "date"}
LIKE = {"gid": "gid", "user": REF}
STATUS_UPDATE = {
    "gid": "gid",
    "resource_type": "text",
    "title": "text",
    "resource_subtype": "text",
    "status_type": "text",
    "text": "text",
    "html_text": "text",
    "created_at": "time",
    "modified_at": "time",
    "author": REF,
    "created_by": REF,
}
CUSTOM_FIELD = {**REF, "type": "text", "resource_subtype": "text", "enum_options": [OPTION]}
ATTACHMENT = {
    **SUBTYPED,
    "created_at": "time",
    "host": "text",
    "parent": SUBTYPED,
    "size": "int",
    "permanent_url": "text",
    "download_url": "text",
    "view_url": "text",
    "connected_to_app": "bool",
}
CHANGES: dict[str, Any] = {
    "name": "text",
    "resource_subtype": "text",
    "approval_status": "text",
    "text_value": "text",
    "number_value": "float",
    "enum_value": OPTION,
    "multi_enum_values": [OPTION],
    "people_value": [REF],
    "date_value": DATES,
    "dates": DATES,
    "section": REF,
}
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
    "is_edited": "bool",
    "is_editable": "bool",
    "sticker_name": "text",
    "num_likes": "int",
    "liked": "bool",
    "likes": [LIKE],
    "num_hearts": "int",
    "hearted": "bool",
    "hearts": [LIKE],
    "source": "text",
    **{f"{age}_{key}": spec for key, spec in CHANGES.items() for age in ("old", "new")},
    "assignee": REF,
    "follower": REF,
    "custom_field": CUSTOM_FIELD,
    "task": SUBTYPED,
    "project": REF,
    "section": REF,
    "tag": REF,
    "dependency": SUBTYPED,
    "duplicate_of": SUBTYPED,
    "duplicated_from": SUBTYPED,
    "target": SUBTYPED,
    "story": {
        "gid": "gid",
        "resource_type": "text",
        "created_at": "time",
        "created_by": REF,
        "resource_subtype": "text",
        "text": "text",
    },
}
# What the description of POST /exports/resource and /exports/graph says in words.
IN_WORDS: dict[str, dict[str, Spec]] = {
    "task": {"stories": [STORY], "attachments": [ATTACHMENT], "assignee_section": REF},
    "team": {"members": [REF]},
    "message": {
        "html_notes": "text",
        "followers": [REF],
        "parents": [REF],
        "stories": [STORY],
        "attachments": [ATTACHMENT],
    },
    "project": {"current_status_update": STATUS_UPDATE},
    "portfolio": {"current_status_update": STATUS_UPDATE},
    "goal": {
        **SUBTYPED,
        "html_notes": "text",
        "notes": "text",
        "due_on": "date",
        "start_on": "date",
        "is_workspace_level": "bool",
        "liked": "bool",
        "num_likes": "int",
        "likes": [LIKE],
        "status": "text",
        "owner": REF,
        "team": REF,
        "workspace": REF,
        "followers": [REF],
        "current_status_update": STATUS_UPDATE,
        "time_period": {
            "gid": "gid",
            "resource_type": "text",
            "display_name": "text",
            "period": "text",
            "start_on": "date",
            "end_on": "date",
            "parent": REF,
        },
        "privacy_setting": "text",
        "default_access_level": "text",
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


def spec_of(schemas: dict[str, Any], key: str, schema: dict[str, Any]) -> Spec:
    """Return what the table says of a field."""
    whole = resolve(schemas, schema)
    if key == "custom_fields":
        return "custom_fields"
    if whole["properties"]:
        return {name: spec_of(schemas, name, inner) for name, inner in whole["properties"].items()}
    if whole.get("type") == "array":
        return [spec_of(schemas, "", whole.get("items", {}))]
    if key == "gid":
        return "gid"
    return KINDS.get(whole.get("type", ""), FORMATS.get(whole.get("format", ""), "text"))


def merged(documented: Spec | None, words: Spec) -> Spec:
    """Return a spec with what is described in words: more keys, never fewer."""
    if isinstance(documented, dict) and isinstance(words, dict):
        keys = [*documented, *(key for key in words if key not in documented)]
        return {
            key: merged(documented.get(key), words[key]) if key in words else documented[key]
            for key in keys
        }
    return words if documented is None else documented


def table(schemas: dict[str, Any]) -> dict[str, Spec]:
    """Return the table: resource type, field, spec."""
    rows: dict[str, Spec] = {
        row: spec_of(schemas, row, schemas[name]) for row, name in ROWS.items()
    }
    settings: Spec = [spec_of(schemas, "", {"$ref": f"#/{SETTING}"})]
    for row, words in IN_WORDS.items():
        rows[row] = merged(rows.get(row), dict(words))
    rows["goal"] = merged(rows["goal"], {"custom_field_settings": settings})
    return rows


def leaves(schemas: dict[str, Any], path: str, schema: dict[str, Any]) -> Iterator[str]:
    """Yield the path, type and format of everything that a schema documents."""
    whole = resolve(schemas, schema)
    if whole.get("type") == "array":
        yield from leaves(schemas, f"{path}[]", whole.get("items", {}))
    elif whole["properties"] and not path.endswith(".custom_fields[]"):
        for key, inner in whole["properties"].items():
            yield from leaves(schemas, f"{path}.{key}", inner)
    else:
        yield f"{path} {whole.get('format') or whole.get('type') or 'string'}"


def main(path: str, *options: str) -> None:
    """Print the table, or the documented leaves."""
    schemas = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["components"]["schemas"]
    if options == ("--leaves",):
        for row, name in ROWS.items():
            print(*leaves(schemas, row, schemas[name]), sep="\n")
    else:
        print(json.dumps(table(schemas), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
