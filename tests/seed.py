"""The contract's own example, word for word, odd URLs with spaces included."""

from __future__ import annotations

GRAPH_URL = (
    "https://asana-export-us-east-1.s3.us-east-1.amazonaws.com/2563645399633793/domain_export/"
    "7588024658887731/download/ domain_export_2563645399633793_7588024658887731_2023018-201726"
    ".json.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256& X-Amz-Content-Sha256=xxxxxxxx&X-Amz-Date=xxxxxxxx"
    "&X-Amz-Expires=300&X-Amz-Security-Token=xxxxxxxx& X-Amz-Signature=xxxxxxxx"
    "&X-Amz-SignedHeaders=host&x-id=GetObject#_=_"
)
RESOURCE_URL = (
    "https://asana-export-us-east-1.s3.us-east-1.amazonaws.com/2563645399633793/object_export/"
    "7588024658887731/download/ object_export_2563645399633793_7588024658887731_2023018-201726"
    ".jsonl.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256& X-Amz-Credential=xxxxxxxx&X-Amz-Date=xxxxxxxx"
    "&X-Amz-Expires=300&X-Amz-Security-Token=xxxxxxxx& X-Amz-Signature=xxxxxxxx"
    "&X-Amz-SignedHeaders=host"
)

EXAMPLE = {
    "gid": "12345",
    "resource_type": "job",
    "resource_subtype": "duplicate_task",
    "status": "in_progress",
    "new_project": {"gid": "12345", "resource_type": "project", "name": "Stuff to buy"},
    "new_task": {
        "gid": "12345",
        "resource_type": "task",
        "name": "Bug Task",
        "resource_subtype": "default_task",
        "created_by": {"gid": "1111", "resource_type": "user"},
    },
    "new_project_template": {
        "gid": "12345",
        "resource_type": "project_template",
        "name": "Packing list",
    },
    "new_graph_export": {
        "gid": "12345",
        "resource_type": "graph_export",
        "created_at": "2012-02-22T02:06:58.147Z",
        "download_url": GRAPH_URL,
        "completed_at": "2012-02-22T03:06:58.147Z",
    },
    "new_resource_export": {
        "gid": "12345",
        "resource_type": "export_request",
        "created_at": "2012-02-22T02:06:58.147Z",
        "download_url": RESOURCE_URL,
        "completed_at": "2012-02-22T03:06:58.147Z",
    },
}

ALLOWED = [
    "new_graph_export",
    "new_graph_export.completed_at",
    "new_graph_export.created_at",
    "new_graph_export.download_url",
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
]
"""The contract's allowed optional fields."""
