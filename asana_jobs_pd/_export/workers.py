"""Several processes that read the same files, and share their chunks.

Each decompresses everything and claims chunks as it reaches them; what it made of them comes back
through a folder, as Arrow. They are plain child processes that run one file, so that a script needs
no guard and a notebook nothing at all. They end with us: they listen on a pipe that we hold.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, Self

import msgspec
import pyarrow as pa

from asana_jobs_pd._decode.locations import File
from asana_jobs_pd._decode.scan import Batch, Claim, Scanner
from asana_jobs_pd._decode.scan_result import ReadOptions, ScanResult
from asana_jobs_pd._export.arrow_memory import compact_memory
from asana_jobs_pd.errors import ExportFileError, ExportWorkerError

__all__ = [
    "Compression",
    "Part",
    "Share",
    "SpoolReader",
    "SpoolWriter",
    "Stored",
    "Task",
    "claimer",
    "run_task",
    "scanned",
    "spooled",
]

Compression = Literal["lz4"] | None
_SUFFIX = ".arrow"
_MOST_OPEN = 16


class Stored(msgspec.Struct):
    """Where a batch is: its file, its number in that, how many rows, its place in the load."""

    resource_type: str
    file: str
    number: int
    rows: int
    place: tuple[int, int, int]


class Share(msgspec.Struct):
    """What one process has read: what it learnt, and where its batches are, in order."""

    learned: ScanResult
    batches: list[Stored]

    @property
    def rows(self) -> int:
        """How many rows that are."""
        return sum(stored.rows for stored in self.batches)


class SpoolWriter:
    """Writes batches to files, a new one whenever the schema of a type of row has changed.

    Parameters
    ----------
    folder
        Where; a context manager that closes the files there.
    compression
        ``"lz4"``, or None for batches that are to be mapped into memory.
    """

    def __init__(self, folder: Path, compression: Compression = None) -> None:
        self._folder = folder
        self._options = pa.ipc.IpcWriteOptions(compression=compression)
        self._open: dict[str, tuple[pa.Schema, Any, str, ExitStack]] = {}
        self._count: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as closing:
            for one in self._open.values():
                closing.push(one[-1])

    def __call__(self, batch: Batch) -> Stored:
        """Write a batch; return where it is."""
        name, schema = batch.resource_type, batch.table.schema
        if name not in self._open or self._open[name][0] != schema:
            if name in self._open:
                self._open.pop(name)[-1].close()
            self._begin(name, schema)
        _, writer, file, _ = self._open[name]
        writer.write_batch(batch.table)
        number = self._count[file]
        self._count[file] += 1
        return Stored(name, file, number, batch.table.num_rows, batch.place)

    def _begin(self, name: str, schema: pa.Schema) -> None:
        path = self._folder / f"{len(self._count)}{_SUFFIX}"
        with ExitStack() as stack:
            sink: IO[bytes] = stack.enter_context(path.open("wb"))
            writer = stack.enter_context(pa.ipc.new_file(sink, schema, options=self._options))
            self._open[name] = (schema, writer, str(path), stack.pop_all())
        self._count[str(path)] = 0


class SpoolReader:
    """Reads stored batches without mapping their files: what was read can be forgotten.

    Parameters
    ----------
    columns
        Read only these where there are any, and not the others' bytes; None for all.
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
        self._open[stored.file] = file  # the last one used stands last
        if len(self._open) > _MOST_OPEN:
            del self._open[next(iter(self._open))]
        return Batch(stored.resource_type, file.get_batch(stored.number), stored.place)

    def _reader(self, file: str) -> Any:
        source = pa.OSFile(file)
        if self._columns is None:
            return pa.ipc.open_file(source)
        names = pa.ipc.open_file(source).schema.names
        wanted = [names.index(name) for name in self._columns if name in names]
        return pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=wanted))


_FAILED = 3
_FILE = str(Path(__file__).with_name("worker.py"))


class Task(msgspec.Struct):
    """What a worker is to do: read these files, write what it finds to the folder."""

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


class Part:
    """What one process has read: its batches, and what it learnt."""

    def __init__(self, learned: ScanResult, batches: list[Batch]) -> None:
        self.learned = learned
        self.batches = batches


@contextmanager
def scanned(
    paths: Sequence[File],
    options: ReadOptions,
    workers: int,
    tick: Callable[[int, int], None],
) -> Iterator[list[Part]]:
    """Read files with so many processes, this one among them; yield what each has read.

    The batches of other processes are mapped from a temporary folder, which goes when the block
    is left.

    Parameters
    ----------
    paths
        The files.
    options
        What to read.
    workers
        How many processes.
    tick
        Is told the number of a file and how much of it has been read, in bytes on disk.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="asana-export-", ignore_cleanup_errors=True)
        task = Task(list(map(str, paths)), options, stack.enter_context(temporary))
        with _beside(task, workers, tick) as (scanner, others):
            parts = [Part(scanner.learned, list(_all(scanner, paths)))]
            parts += [_mapped(other.result(), stack) for other in others]
        yield parts
        for part in parts:
            part.batches.clear()


def spooled(
    paths: Sequence[File],
    options: ReadOptions,
    workers: int,
    tick: Callable[[int, int], None],
    folder: Path,
) -> list[Share]:
    """Read files as `scanned` does, but leave all batches in a folder, compressed.

    Parameters
    ----------
    paths, options, workers, tick
        As there.
    folder
        Is there, and empty.
    """
    task = Task(list(map(str, paths)), options, str(folder), compression="lz4")
    own = folder / "worker0"
    own.mkdir()
    with _beside(task, workers, tick) as (scanner, others):
        return [_share(scanner, paths, own, task), *(other.result() for other in others)]


@contextmanager
def _beside(
    task: Task, workers: int, tick: Callable[[int, int], None]
) -> Iterator[tuple[Scanner, list[_Worker]]]:
    """Yield a scanner that shares the chunks with other processes, and these."""
    with ExitStack() as running:
        others = [
            running.enter_context(_Worker(msgspec.structs.replace(task, number=number)))
            for number in range(1, workers)
        ]

        def claim(file: int, chunk: int, position: int) -> bool:
            for other in others:
                other.check()
            tick(file, position)
            return not others or claimer(task.folder)(file, chunk, position)

        yield Scanner(task.options, claim), others


def _all(scanner: Scanner, paths: Sequence[File]) -> Iterator[Batch]:
    for file, path in enumerate(paths):
        yield from scanner.scan(path, file)


def _share(scanner: Scanner, paths: Sequence[File], folder: Path, task: Task) -> Share:
    """Read files, write the batches to the folder; return where they are."""
    with SpoolWriter(folder, task.compression) as write:
        stored = [write(batch) for batch in _all(scanner, paths)]
    return Share(scanner.learned, stored)


def _mapped(share: Share, stack: ExitStack) -> Part:
    """Return what a process has read; its files stay mapped until the stack is left."""
    files: dict[str, Any] = {}
    batches = []
    for stored in share.batches:
        if stored.file not in files:
            source = stack.enter_context(pa.memory_map(stored.file))
            files[stored.file] = pa.ipc.open_file(source)
        table = files[stored.file].get_batch(stored.number)
        batches.append(Batch(stored.resource_type, table, stored.place))
    return Part(share.learned, batches)


def claimer(folder: str) -> Claim:
    """Return what claims a chunk for whoever asks first: by making a file that was not there."""

    def claim(file: int, chunk: int, _position: int) -> bool:
        with suppress(FileExistsError):
            os.close(os.open(f"{folder}/{file}.{chunk}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return True
        return False

    return claim


class _Worker:
    """A process that reads its share; killed when the block is left."""

    def __init__(self, task: Task) -> None:
        self._folder = Path(task.folder) / f"worker{task.number}"
        self._folder.mkdir()
        (self._folder / "task").write_bytes(msgspec.msgpack.encode(task))
        self._number = task.number

    def __enter__(self) -> Self:
        # A group of its own, so that Ctrl-C is ours alone to handle.
        own: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with (self._folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-P", _FILE, str(self._folder)],
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
        """Raise when it has failed."""
        if self._process.poll() not in (None, 0):
            raise self._error()

    def result(self) -> Share:
        """Wait for what it has read."""
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
        said = (self._folder / "stderr").read_text("utf-8", "replace").strip().splitlines()[-1:]
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        return ExportWorkerError(
            f"Process {self._process.pid}, which read a part of the export, was ended {how}"
            f"{': ' + said[0] if said else ''}. When memory is short, use workers=1."
        )


def _environment() -> dict[str, str]:
    """Return our environment with the places modules are found in, as a script may change them."""
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    }


def run_task(folder: Path) -> int:
    """Do what the task in a folder says; return the exit code."""
    task = msgspec.msgpack.decode((folder / "task").read_bytes(), type=Task)
    scanner = Scanner(task.options, claimer(task.folder))
    try:
        with compact_memory():
            share = _share(scanner, task.paths, folder, task)
        (folder / "done").write_bytes(msgspec.msgpack.encode(share))
        return 0  # noqa: TRY300
    except ExportFileError as error:
        failure = _Failure(str(error), error.path, error.line)
    except OSError as error:  # a full disk, say, which the failure may find with a little room
        failure = _Failure(error.strerror or str(error), errno=error.errno or 0)
    (folder / "failed").write_bytes(msgspec.msgpack.encode(failure))
    return _FAILED
