"""A throw-away JupyterLab or Notebook 7, with nothing of the person who runs the tests."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import asana_jobs_pd

PATIENCE = 90.0
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
}
APPS = {"lab": ("jupyterlab", "LabApp"), "notebook": ("notebook", "JupyterNotebookApp")}


class JupyterServer:
    """A server on a free port, its configuration, data and HOME in one temporary folder."""

    def __init__(self, kind, theme="light", *, front_end=True, options=()):
        self.kind, self.theme, self.front_end, self.options = kind, theme, front_end, options
        self.home = Path(tempfile.mkdtemp(prefix="asana-jobs-browser-"))
        self.root = self.home / "notebooks"
        self.root.mkdir()

    def __enter__(self):
        self._configure()
        self.base = f"http://127.0.0.1:{_free_port()}"
        self._log = (self.home / "server.log").open("wb")
        self._process = subprocess.Popen(
            self._command(),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            cwd=self.root,
            start_new_session=True,
        )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.home / "server.log").read_text(errors="replace")[-2000:]
                self.__exit__()
                raise RuntimeError(f"no Jupyter server came up:\n{said}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            with contextlib.suppress(Exception):
                self.end_kernels()
            os.kill(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)  # its own session
                self._process.wait(5)
        self._log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, name):
        page = f"doc/tree/{name}?reset" if self.kind == "lab" else f"notebooks/{name}"
        return f"{self.base}/{page}"

    def write(self, name, *cells):
        """Write a notebook with code cells."""
        import nbformat

        nbformat.write(nbformat.from_dict(notebook_of(*cells)), self.root / name)

    def trust(self, name):
        """Trust a notebook that was written by something else: pages show its widgets then."""
        code = "from nbformat.sign import TrustNotebookApp; TrustNotebookApp.launch_instance()"
        command = [sys.executable, "-c", code, str(self.root / name)]
        subprocess.run(command, env=self._environment(), check=True, capture_output=True)

    def end_kernels(self, name=None):
        """End the kernel of a notebook, or all of them."""
        for session in self._api("sessions"):
            if name in (None, session["path"]):
                with contextlib.suppress(OSError):
                    self._api(f"sessions/{session['id']}", "DELETE")

    def _api(self, path, method="GET"):
        request = urllib.request.Request(f"{self.base}/api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def _answers(self):
        with contextlib.suppress(OSError):
            return bool(self._api("status"))
        return False

    def _configure(self):
        theme = "JupyterLab Dark" if self.theme == "dark" else "JupyterLab Light"
        themes = {"theme": theme, "adaptive-theme": False}
        settings = {**OVERRIDES, "@jupyterlab/apputils-extension:themes": themes}
        folder = self.home / "config" / "labconfig"
        folder.mkdir(parents=True)
        (folder / "default_setting_overrides.json").write_text(json.dumps(settings))
        if self.front_end:
            install_front_end(self.home / "path")
        else:
            off = {"disabledExtensions": {"asana_jobs_pd": True}}
            (folder / "page_config.json").write_text(json.dumps(off))

    def _command(self):
        module, app = APPS[self.kind]
        return [
            *(sys.executable, "-m", module, "--no-browser", "--allow-root"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.base.rpartition(':')[2]}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True",
            f"--ServerApp.root_dir={self.root}",
            f"--{app}.expose_app_in_browser=True",  # window.jupyterapp
            *self.options,
        ]

    def _environment(self):
        mine = ("JUPYTER", "IPYTHON", "PYTEST", "COV", "ASANA")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
        (self.home / "home").mkdir(exist_ok=True)
        return {
            **kept,
            "HOME": str(self.home / "home"),
            "IPYTHONDIR": str(self.home / "ipython"),
            "JUPYTER_CONFIG_DIR": str(self.home / "config"),
            "JUPYTER_DATA_DIR": str(self.home / "data"),
            "JUPYTER_PATH": str(self.home / "path"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(self.home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.home / "workspaces"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONPATH": str(Path(asana_jobs_pd.__file__).parents[1]),
        }


def install_front_end(folder):
    """Put the widget's script where Jupyter finds it, unless it was installed with the package."""
    source = Path(asana_jobs_pd.__file__).parent / "_widget" / "static"
    installed = Path(sys.prefix, "share", "jupyter", "labextensions", "asana_jobs_pd")
    names = [path.name for path in source.iterdir()]
    if set(filecmp.cmpfiles(source, installed, names, shallow=False)[0]) != set(names):
        shutil.copytree(source, folder / "labextensions" / "asana_jobs_pd")


def notebook_of(*cells):
    """Return a notebook with code cells."""
    import nbformat

    notebook = nbformat.v4.new_notebook()
    for place, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source)
        cell["id"] = f"cell{place}"
        notebook.cells.append(cell)
    name = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook.metadata = {"kernelspec": name, "language_info": {"name": "python"}}
    return notebook


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
