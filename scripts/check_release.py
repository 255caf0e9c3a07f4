"""Check that a tag can be released: ``python scripts/check_release.py v0.2.0``.

The version of the package, the citation and the conda recipe is that of the tag, and the changelog
has a dated section for it. Prints what is wrong and exits with 1, or the section.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = {"CITATION.cff": r"(?m)^version: (.+)$", "conda/recipe.yaml": r'(?m)^  version: "(.+)"$'}


def versions() -> dict[str, str]:
    """Return the version that each file states."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {"pyproject.toml": str(project["version"])}
    for name, pattern in VERSIONS.items():
        match = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"))
        found[name] = match[1] if match else ""
    return found


def section(version: str) -> str:
    """Return the changelog's section of a version, empty where there is no dated one."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = rf"(?ms)^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)"
    match = re.search(dated, text)
    return match[1].strip() if match else ""


def main(tag: str) -> int:
    """Check a tag and return the exit code."""
    version = tag.removeprefix("v")
    wrong = [f"{name} says {said}" for name, said in versions().items() if said != version]
    notes = section(version)
    if not notes:
        wrong.append(f"CHANGELOG.md has no section “## {version} (date)”")
    print(*wrong or [notes], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
