"""Decoding in several processes: this one reads the files, and each takes the next chunk of lines.

Their results come back through a folder, as Arrow. They are plain child processes that run their
own program, so that scripts need no `__main__` guard. A thread for each of them sends it chunks
through a pipe; when this process ends, the pipe closes, and so they end, too.
"""

from __future__ import annotations

import math
import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar

import pyarrow as pa

from asana_jobs_pd._decode.lines import Chunk
from asana_jobs_pd._decode.scan import Batch, Scanner, Tick
from asana_jobs_pd._decode.scan_result import Definition, ReadOptions, ScanResult
from asana_jobs_pd._decode.sources import File
from asana_jobs_pd.errors import ExportFileError, ExportWorkerError

Compression: TypeAlias = Literal["lz4"] | None
_SUFFIX = ".arrow"
_MAX_OPEN = 16
_READY = b"ready to decode\n"
_PROGRAM = """
import sys, types
class NoPandas:
    def find_spec(name, *_):
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoPandas)
package = sys.modules["asana_jobs_pd"] = types.ModuleType("asana_jobs_pd")
package.__path__ = [sys.argv[1]]
from asana_jobs_pd._export.workers import decode_chunks
decode_chunks()
"""
"""What a worker process runs, with the folder of the package.

The package's `__init__` needs pandas, and pandas takes half a second to import. A worker needs
neither: the package is a plain folder of modules to it, and Arrow finds no pandas.
"""
_QUOTA_AND_PERIOD = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
"""The files of both versions of control groups, as seen in a container."""
_PACKAGE = str(Path(__file__).parents[1])
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?(?:w|_d|d|m|-dbg|-intel64)?(?:\.exe)?", re.IGNORECASE)


class Stored(NamedTuple):
    """Where a batch is stored: its file, its index in it, its rows, its place in the load."""

    resource_type: str
    file: str
    number: int
    rows: int
    place: tuple[int, int, int]


B = TypeVar("B", Batch, Stored)
Defined: TypeAlias = tuple[B, list[Definition]]
"""A batch, and the definitions to which its custom-field codes refer."""


class Share(NamedTuple, Generic[B]):
    """The batches that one process has decoded, in memory or on disk, in order."""

    scan_result: ScanResult
    batches: list[B]


def by_type(shares: Iterable[Share[B]]) -> dict[str, list[Defined[B]]]:
    """Return the batches by type of row, in the order of the files; consumes the shares."""
    found: dict[str, list[Defined[B]]] = {}
    for share in shares:
        for batch in share.batches:
            definitions = share.scan_result.known[batch.resource_type].definitions
            found.setdefault(batch.resource_type, []).append((batch, definitions))
        share.batches.clear()
    for batches in found.values():
        batches.sort(key=lambda item: item[0].place)
    return found


class Task(NamedTuple):
    """The task of a worker process: decode lines of files, and write batches to the folder."""

    paths: Sequence[str]
    options: ReadOptions
    folder: str
    compression: Compression


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

    With `columns`, it reads only these, as far as a batch has them.
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
) -> Iterator[list[Share[Batch]]]:
    """Read files with several processes, including this one; yield what each has decoded.

    The batches of other processes are mapped from a temporary folder, which is removed on leaving
    the block.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="asana-export-", ignore_cleanup_errors=True)
        task = Task(list(map(str, paths)), options, stack.enter_context(temporary), None)
        scanner = Scanner(dict(enumerate(paths)), options)
        batches: list[Batch] = []
        shares = _decoded(scanner, task, workers, tick, batches.append)
        parts = [Share(scanner.scan_result, batches)]
        parts += [_mapped(share, stack) for share in shares]
        yield parts


def spooled(
    paths: Sequence[File], options: ReadOptions, workers: int, tick: Tick, folder: Path
) -> list[Share[Stored]]:
    """Read files like `scanned`, but leave all batches compressed in an empty folder."""
    task = Task(list(map(str, paths)), options, str(folder), "lz4")
    scanner = Scanner(dict(enumerate(paths)), options)
    stored: list[Stored] = []
    own = folder / "worker0"
    own.mkdir()
    with SpoolWriter(own, task.compression) as write:
        shares = _decoded(scanner, task, workers, tick, lambda batch: stored.append(write(batch)))
    return [Share(scanner.scan_result, stored), *shares]


def _decoded(
    scanner: Scanner, task: Task, workers: int, tick: Tick, keep: Callable[[Batch], object]
) -> list[Share[Stored]]:
    """Read all files; keep the batches decoded here, and return the shares of other processes."""

    def decode(chunk: Chunk) -> None:
        for batch in scanner.batches(chunk):
            keep(batch)

    waiting: SimpleQueue[Chunk | None] = SimpleQueue()
    with _started(task, workers - 1, waiting) as processes:
        for chunk in scanner.chunks(tick):
            ready = [process for process in processes if process.is_ready]
            for process in ready:
                process.check()
            if waiting.qsize() < len(ready):
                waiting.put(chunk)
            else:
                decode(chunk)
        with suppress(Empty):
            while chunk := waiting.get_nowait():  # type: ignore[assignment]
                decode(chunk)
        ready = [process for process in processes if process.is_ready]
        for _ in processes:
            waiting.put(None)
        return [process.share.result() for process in ready]


@contextmanager
def _started(
    task: Task, count: int, waiting: SimpleQueue[Chunk | None]
) -> Iterator[list[_WorkerProcess]]:
    """Yield processes that take waiting chunks; none if no process or thread can be started."""
    processes: list[_WorkerProcess] = []
    python = _interpreter() if count > 0 else None
    with ThreadPoolExecutor(max(count, 1), "asana-decode") as threads, ExitStack() as stack:
        with suppress(OSError, RuntimeError):
            for number in range(1, count + 1 if python else 1):
                process = _WorkerProcess(python or "", Path(task.folder, f"worker{number}"))
                stack.callback(process.close)
                own = task._replace(folder=str(process.folder))
                process.share = threads.submit(process.feed, own, waiting)
                stack.callback(waiting.put, None)
                processes.append(process)
        yield processes


def _interpreter() -> str | None:
    """Return the path of this Python; None if it is embedded in or frozen into an application.

    There, `sys.executable` is the application, which must not be started again.
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


def processors(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many processors this process may use, including a container's quota."""
    if sys.platform != "linux":
        return os.cpu_count() or 1
    count = len(os.sched_getaffinity(0))
    for names in _QUOTA_AND_PERIOD:
        with suppress(OSError, ValueError, ZeroDivisionError):  # "max" is none
            quota, period = " ".join((groups / name).read_text("ascii") for name in names).split()
            if int(quota) > 0:
                count = max(1, min(count, math.ceil(int(quota) / int(period))))
    return count


def _mapped(share: Share[Stored], stack: ExitStack) -> Share[Batch]:
    """Return the share of a process; its files stay mapped until the stack closes."""
    files: dict[str, Any] = {}
    batches = []
    for stored in share.batches:
        if stored.file not in files:
            source = stack.enter_context(pa.memory_map(stored.file))
            files[stored.file] = pa.ipc.open_file(source)
        table = files[stored.file].get_batch(stored.number)
        batches.append(Batch(stored.resource_type, table, stored.place))
    return Share(share.scan_result, batches)


class _WorkerProcess:
    """A process that decodes chunks, one at a time."""

    share: Future[Share[Stored]]

    def __init__(self, python: str, folder: Path) -> None:
        self.is_ready = False
        self.folder = folder
        folder.mkdir()
        # Its own process group, so that only we receive Ctrl-C.
        group: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with (folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [python, "-P", "-c", _PROGRAM, _PACKAGE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=_environment(),
                **group,
            )

    def feed(self, task: Task, waiting: SimpleQueue[Chunk | None]) -> Share[Stored]:
        """Send chunks until there are no more; return what the process has decoded."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == _READY:  # before it, anything may be printed when Python starts
                break
        self._ask(task)
        self.is_ready = True
        while (chunk := waiting.get()) is not None:
            self._ask(chunk)
        share: Share[Stored] = self._ask(None)
        return share

    def _ask(self, message: Task | Chunk | None) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            # In one piece: the writer of many small ones would often wait for this process.
            self._process.stdin.write(pickle.dumps(message))
            self._process.stdin.flush()
            answer = pickle.load(self._process.stdout)  # noqa: S301  from our own process
        except (EOFError, OSError, pickle.UnpicklingError):
            answer = self._death()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def check(self) -> None:
        """Raise an error if the process has failed."""
        if self.share.done():
            self.share.result()

    def close(self) -> None:
        """Kill the process if it is still running."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # for what was not written
                pipe.close()  # type: ignore[union-attr]

    def _death(self) -> ExportWorkerError:
        code = self._process.wait()
        ending = f"was killed (signal {-code})" if code < 0 else f"failed (exit code {code})"
        last_line = (self.folder / "stderr").read_text("utf-8", "replace").strip().splitlines()[-1:]
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


def decode_chunks() -> None:
    """Decode the chunks that arrive, as a worker process, then end the process."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # printed text must not mix with our messages

    def answer(content: Share[Stored] | Exception | None) -> None:
        answers.write(pickle.dumps(content))
        answers.flush()

    def ask() -> Any:
        return pickle.load(requests)  # noqa: S301  from our own process

    answers.write(_READY)
    answers.flush()
    task: Task = ask()
    scanner = Scanner(dict(enumerate(task.paths)), task.options)
    try:
        with SpoolWriter(Path(task.folder), task.compression) as write:
            answer(None)
            stored: list[Stored] = []
            while chunk := ask():
                stored += map(write, scanner.batches(chunk))
                answer(None)
        answer(Share(scanner.scan_result, stored))
    except (ExportFileError, OSError) as error:  # for example a full disk
        answer(error)
    os._exit(0)
