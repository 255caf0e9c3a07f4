"""Several processes that read the same files and share their chunks.

Each decompresses everything and claims chunks as it reaches them; what it makes of them comes back
through a folder, as Arrow. They are plain child processes with a program of their own, so that a
script needs no guard and a notebook nothing at all. They end with us: they listen on a pipe that we
hold.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Self, TypeAlias

import msgspec
import pyarrow as pa

from asana_jobs_pd._decode.locations import File
from asana_jobs_pd._decode.scan import Batch, Claim, Scanner
from asana_jobs_pd._decode.scan_result import ReadOptions, ScanResult
from asana_jobs_pd.errors import ExportFileError, ExportWorkerError

Compression: TypeAlias = Literal["lz4"] | None
Tick: TypeAlias = Callable[[int, int], None]
"""Called with the number of a file and the bytes read of it on disk."""
_SUFFIX = ".arrow"
_MAX_OPEN = 16
_FAILED = 3
_PROGRAM = """
import sys, types
class NoPandas:
    def find_spec(name, *_):
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoPandas)
package = sys.modules["asana_jobs_pd"] = types.ModuleType("asana_jobs_pd")
package.__path__ = [sys.argv[1]]
from asana_jobs_pd._export.workers import run_task
run_task(sys.argv[2])
"""
"""What a worker process runs, with the folders of the package and of its task.

The package's `__init__` needs pandas, and pandas takes half a second to import. A worker needs
neither: the package is a plain folder of modules to it, and Arrow finds no pandas.
"""
_PACKAGE = str(Path(__file__).parents[1])
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?(?:w|_d|d|m|-dbg|-intel64)?(?:\.exe)?", re.IGNORECASE)


class Stored(msgspec.Struct):
    """Where a batch is stored: its file, its number in it, its rows, its place in the load."""

    resource_type: str
    file: str
    number: int
    rows: int
    place: tuple[int, int, int]


class Share(msgspec.Struct):
    """What one process has read; its batches are on disk, in order."""

    scan_result: ScanResult
    batches: list[Stored]

    @property
    def rows(self) -> int:
        return sum(stored.rows for stored in self.batches)


class Part(NamedTuple):
    """What one process has read; its batches are in memory, in order."""

    scan_result: ScanResult
    batches: list[Batch]


class Task(msgspec.Struct):
    """The task of a worker process: read these files, write the batches to the folder."""

    paths: list[str]
    options: ReadOptions
    folder: str
    number: int = 0
    compression: Compression = None


class _Failure(msgspec.Struct):
    message: str
    path: str = ""
    line: int | None = None
    errno: int | None = None


class SpoolWriter:
    """Writes batches to files: a new one whenever the schema of a type of row changes.

    Compressed batches cannot be mapped into memory.
    """

    def __init__(self, folder: Path, compression: Compression = None) -> None:
        self._folder = folder
        self._options = pa.ipc.IpcWriteOptions(compression=compression)
        self._open: dict[str, tuple[pa.Schema, Any, str, ExitStack]] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as closing:
            for *_rest, stack in self._open.values():
                closing.push(stack)

    def __call__(self, batch: Batch) -> Stored:
        """Write a batch; return where it is."""
        name, schema = batch.resource_type, batch.table.schema
        if name not in self._open or self._open[name][0] != schema:
            if name in self._open:
                self._open.pop(name)[-1].close()
            self._begin(name, schema)
        _, writer, file, _ = self._open[name]
        writer.write_batch(batch.table)
        number = self._counts[file]
        self._counts[file] += 1
        return Stored(name, file, number, batch.table.num_rows, batch.place)

    def _begin(self, name: str, schema: pa.Schema) -> None:
        path = self._folder / f"{len(self._counts)}{_SUFFIX}"
        with ExitStack() as stack:
            sink: IO[bytes] = stack.enter_context(path.open("wb"))
            writer = stack.enter_context(pa.ipc.new_file(sink, schema, options=self._options))
            self._open[name] = (schema, writer, str(path), stack.pop_all())
        self._counts[str(path)] = 0


class SpoolReader:
    """Reads stored batches without mapping their files, so that memory is freed after use.

    With `columns`, only those of them that a batch has.
    """

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        self._columns = columns
        self._open: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.clear()

    def __call__(self, stored: Stored) -> Batch:
        """Return a batch."""
        file = self._open.pop(stored.file, None) or self._reader(stored.file)
        self._open[stored.file] = file  # the most recently used one is last
        if len(self._open) > _MAX_OPEN:
            del self._open[next(iter(self._open))]
        return Batch(stored.resource_type, file.get_batch(stored.number), stored.place)

    def _reader(self, file: str) -> Any:
        source = pa.OSFile(file)
        if self._columns is None:
            return pa.ipc.open_file(source)
        names = pa.ipc.open_file(source).schema.names
        wanted = [names.index(name) for name in self._columns if name in names]
        return pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=wanted))


@contextmanager
def scanned(
    paths: Sequence[File], options: ReadOptions, workers: int, tick: Tick
) -> Iterator[list[Part]]:
    """Read files with several processes, this one included; yield what each has read.

    The batches of other processes are mapped from a temporary folder, which is removed on leaving
    the block.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="asana-export-", ignore_cleanup_errors=True)
        task = Task(list(map(str, paths)), options, stack.enter_context(temporary))
        with _sharing(task, workers, tick) as (scanner, others):
            parts = [Part(scanner.scan_result, list(_batches(scanner, paths)))]
            parts += [_mapped(other.result(), stack) for other in others]
        yield parts
        for part in parts:
            part.batches.clear()


def spooled(
    paths: Sequence[File], options: ReadOptions, workers: int, tick: Tick, folder: Path
) -> list[Share]:
    """Read files as `scanned` does, but leave all batches compressed in an empty folder."""
    task = Task(list(map(str, paths)), options, str(folder), compression="lz4")
    own = folder / "worker0"
    own.mkdir()
    with _sharing(task, workers, tick) as (scanner, others):
        return [_share(scanner, paths, own, task), *(other.result() for other in others)]


@contextmanager
def _sharing(
    task: Task, workers: int, tick: Tick
) -> Iterator[tuple[Scanner, list[_WorkerProcess]]]:
    """Yield a scanner that shares the chunks with other processes, and those processes.

    If no process can be started, the scanner reads everything.
    """
    with ExitStack() as running:
        others: list[_WorkerProcess] = []
        python = _interpreter() if workers > 1 else None
        with suppress(OSError):
            for number in range(1, workers if python else 1):
                worker = _WorkerProcess(msgspec.structs.replace(task, number=number), python or "")
                others.append(running.enter_context(worker))

        def claim(file: int, chunk: int, position: int) -> bool:
            for other in others:
                other.check()
            tick(file, position)
            return not others or claimer(task.folder)(file, chunk, position)

        yield Scanner(task.options, claim), others


def _interpreter() -> str | None:
    """Return the path of this Python, None where it is embedded in or frozen into an application.

    There `sys.executable` is the application, which must not be started again.
    """
    path = sys.executable
    if (
        not isinstance(path, str)
        or not path
        or getattr(sys, "frozen", False)
        or not _PYTHON.fullmatch(Path(path).name)
    ):
        return None
    return path if os.access(path, os.X_OK) else None


def processors(root: Path = Path("/")) -> int:
    """Return how many processors this process may use; a container's quota counts."""
    if sys.platform != "linux":
        return os.cpu_count() or 1
    count = len(os.sched_getaffinity(0))
    quotas = [quota for folder in _cgroups(root) if (quota := _cpu_quota(folder))]
    return max(1, min([count, *(math.ceil(quota) for quota in quotas)]))


def _cgroups(root: Path) -> Iterator[Path]:
    """Yield the folders of our control groups and their parents, for both versions of cgroups."""
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = mounts / ("cpu" if controllers else "")
        group = base / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(base))


def _cpu_quota(folder: Path) -> float | None:
    """Return the CPU quota of a control group in processors, None without a limit."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    return None


def _batches(scanner: Scanner, paths: Sequence[File]) -> Iterator[Batch]:
    for file, path in enumerate(paths):
        yield from scanner.scan(path, file)


def _share(scanner: Scanner, paths: Sequence[File], folder: Path, task: Task) -> Share:
    with SpoolWriter(folder, task.compression) as write:
        stored = [write(batch) for batch in _batches(scanner, paths)]
    return Share(scanner.scan_result, stored)


def _mapped(share: Share, stack: ExitStack) -> Part:
    """Return what a process has read; its files stay mapped until the stack closes."""
    files: dict[str, Any] = {}
    batches = []
    for stored in share.batches:
        if stored.file not in files:
            source = stack.enter_context(pa.memory_map(stored.file))
            files[stored.file] = pa.ipc.open_file(source)
        table = files[stored.file].get_batch(stored.number)
        batches.append(Batch(stored.resource_type, table, stored.place))
    return Part(share.scan_result, batches)


def claimer(folder: str) -> Claim:
    """Return a function that claims a chunk for whoever asks first, by creating a file."""

    def claim(file: int, chunk: int, _position: int) -> bool:
        with suppress(FileExistsError):
            os.close(os.open(f"{folder}/{file}.{chunk}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return True
        return False

    return claim


class _WorkerProcess:
    """A process that reads its share; it is killed on leaving the block."""

    def __init__(self, task: Task, python: str) -> None:
        self._python = python
        self._folder = Path(task.folder) / f"worker{task.number}"
        self._folder.mkdir()
        (self._folder / "task").write_bytes(msgspec.msgpack.encode(task))

    def __enter__(self) -> Self:
        # Its own process group, so that only we receive Ctrl-C.
        own: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with (self._folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [self._python, "-P", "-c", _PROGRAM, _PACKAGE, str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=_environment(),
                **own,
            )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def check(self) -> None:
        """Raise an error if it has failed."""
        if self._process.poll() not in (None, 0):
            raise self._error()

    def result(self) -> Share:
        """Wait for it to end; return what it has read."""
        if self._process.wait():
            raise self._error()
        return msgspec.msgpack.decode((self._folder / "done").read_bytes(), type=Share)

    def _error(self) -> Exception:
        code = self._process.returncode
        if code == _FAILED:
            failure = msgspec.msgpack.decode((self._folder / "failed").read_bytes(), type=_Failure)
            if failure.errno is not None:
                return OSError(failure.errno, failure.message)
            return ExportFileError(failure.message, path=failure.path, line=failure.line)
        ending = f"was killed (signal {-code})" if code < 0 else f"failed (exit code {code})"
        last_line = (
            (self._folder / "stderr").read_text("utf-8", "replace").strip().splitlines()[-1:]
        )
        return ExportWorkerError(
            f"Worker process {self._process.pid} {ending}"
            f"{': ' + last_line[0] if last_line else ''}. If memory is short, try workers=1."
        )


def _environment() -> dict[str, str]:
    """Return our environment with our current module search path."""
    paths = [path or str(Path.cwd()) for path in sys.path]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        # Arrow's pool that takes the least memory for many small arrays.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }


def run_task(name: str) -> None:
    """Run the task in a folder, and end this process."""
    with suppress(RuntimeError):  # without a thread it ends with its task
        threading.Thread(target=_end_with_parent, daemon=True).start()
    folder = Path(name)
    task = msgspec.msgpack.decode((folder / "task").read_bytes(), type=Task)
    scanner = Scanner(task.options, claimer(task.folder))
    try:
        share = _share(scanner, task.paths, folder, task)
        (folder / "done").write_bytes(msgspec.msgpack.encode(share))
        os._exit(0)
    except ExportFileError as error:
        failure = _Failure(str(error), error.path, error.line)
    except OSError as error:  # for example a full disk, on which the failure may still fit
        failure = _Failure(error.strerror or str(error), errno=error.errno or 0)
    (folder / "failed").write_bytes(msgspec.msgpack.encode(failure))
    os._exit(_FAILED)


def _end_with_parent() -> None:
    """Exit at once when the pipe from the parent closes, however the parent ended."""
    sys.stdin.buffer.read()
    os._exit(1)
