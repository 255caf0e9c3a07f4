"""Configuration of the site: ``nox -s docs`` builds it, offline, with warnings as errors."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from importlib.metadata import version as version_of
from pathlib import Path

import sphinx_autosummary_accessors
from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import asana_jobs_pd as aj

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generated_pages  # noqa: E402

project = "asana_jobs_pd"
author = "the asana_jobs_pd developers"
project_copyright = "the asana_jobs_pd developers"
release = version_of("asana_jobs_pd")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_autosummary_accessors",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
]
templates_path = ["_templates", sphinx_autosummary_accessors.templates_path]
exclude_patterns = ["_build", "_templates", "**/.ipynb_checkpoints"]
default_role = "py:obj"
smartquotes = False  # options of commands begin with two hyphens
python_maximum_signature_line_length = 88

autosummary_generate = True
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_type_aliases = {name: name for name in aj.typing.__all__}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress bars
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # a CDN's, for widgets that need a kernel anyway

html_theme = "pydata_sphinx_theme"
html_title = f"asana_jobs_pd {release}"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "logo": {"text": "asana_jobs_pd"},
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_toc_level": 2,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
html_sidebars = {name: [] for name in ("changes", "front-ends", "gallery")}

# The notebooks live where users look for them; executed, they are pages of the site.
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
shutil.copytree(HERE.parent / "notebooks", HERE / "notebooks")
generated_pages.write(HERE / "reference" / "generated")


def setup(app: Sphinx) -> None:
    """Make links work that are right in the repository, and in docstrings, but not on the site."""
    app.connect("source-read", _link_to_notebooks)
    app.connect("missing-reference", _link_to_the_package)


def _link_to_notebooks(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = source[0].replace("](../notebooks/", "](/notebooks/")


def _link_to_the_package(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: Element
) -> Element | None:
    """Find what a docstring names from a page of another module, such as that of ``df.asana``."""
    if node.get("refdomain") != "py":
        return None
    python, page = env.domains["py"], node["refdoc"]
    names = (f"asana_jobs_pd.{part}{node['reftarget']}" for part in ("", "errors."))
    found = (python.resolve_xref(env, page, app.builder, "obj", name, node, text) for name in names)
    return next(filter(None, found), None)


# Pages that are executed write their files and their ledger into a folder of the build.
os.environ["ASANA_JOBS_LEDGER"] = str(Path(tempfile.mkdtemp()) / "ledger.sqlite3")
os.environ["ASANA_JOBS_PROGRESS"] = "0"
os.environ["PYTHONWARNINGS"] = "ignore::DeprecationWarning"
logging.getLogger("asana_jobs_pd").setLevel(logging.ERROR)
