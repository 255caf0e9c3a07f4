"""Fixtures for export files."""

from export_fixtures import asana, client, content, export, gid, jobs, load  # noqa: F401
