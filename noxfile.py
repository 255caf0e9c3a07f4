"""Sessions for contributors: ``nox`` lists them with ``nox -l``; CONTRIBUTING.md tells more."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)


def install_group(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of pyproject.toml."""
    session.install(*nox.project.dependency_groups(PYPROJECT, *groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Format, lint, and hold the import contract."""
    session.install(".[test]")
    install_group(session, "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check the package, and a user's script, with mypy and pyright."""
    session.install(".[test]")
    install_group(session, "lint")
    session.run("mypy")
    session.run("mypy", "tests/typing")
    session.run("basedpyright", "--project", "pyproject.toml")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the quick suite against the built package; arguments go to pytest."""
    session.install(".[test]")
    session.run("pytest", "-q", "-n", "auto", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run everything but the browser's tests, with coverage."""
    session.install(".[test]")
    session.run("pytest", "-q", "-n", "auto", "-m", "not browser", "--cov", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Run the widget in JupyterLab and Notebook 7; needs Chromium on PATH, or CHROMIUM."""
    session.install(".[test]")
    install_group(session, "browser")
    session.run("pytest", "-q", "-m", "browser", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html, run the examples of docstrings, and check both."""
    session.install(".[test]")
    install_group(session, "docs")
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "-q", "docs", "docs/_build/html")
    session.run("python", "scripts/check_site.py", "docs/_build/html")
    session.run("pytest", "-q", "-m", "slow or not slow", "tests/test_docstrings.py")


@nox.session
def links(session: nox.Session) -> None:
    """Ask every site that the documentation links to; needs a network."""
    session.install(".[test]")
    install_group(session, "docs")
    session.run("python", "-m", "sphinx", "-b", "linkcheck", "-q", "docs", "docs/_build/links")


@nox.session
def bare(session: nox.Session) -> None:
    """Build and check the distributions, and use the wheel without extras; takes a folder."""
    work = Path(session.create_tmp()).resolve()
    folder = Path(session.posargs[0]).resolve() if session.posargs else work / "dist"
    session.install(".[test]")
    install_group(session, "release")
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(folder))
    session.run("pytest", "-q", "-m", "slow", "tests/test_distribution.py")
    session.run("python", "-m", "venv", "--clear", str(work / "bare"))
    python = str(next((work / "bare").glob("[bS]*/python*")))
    [wheel] = folder.glob("*.whl")
    session.run(python, "-m", "pip", "install", "-q", str(wheel), external=True)
    session.run(python, "-W", "error", "scripts/check_bare.py", external=True)


@nox.session
def oldest(session: nox.Session) -> None:
    """Run the quick suite on the oldest supported dependencies."""
    session.install("-c", ".ci/oldest.txt", ".[test]")
    session.run("pytest", "-q", "-n", "auto", *session.posargs)
