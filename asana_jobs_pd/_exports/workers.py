"""Several processes that read the same files, and share their chunks.

Each decompresses everything and claims chunks as it reaches them; what it made of them comes back
through a folder, as Arrow. They are plain child processes of one module, so that a script needs
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
from typing import IO, Any, Self

import msgspec
import pyarrow as pa

from asana_jobs_pd._exports.scan import Batch, Claim, Learned, ReadOptions, Scanner
from asana_jobs_pd.errors import ExportFileError, ExportWorkerError

__all__ = ["Part", "Task", "claimer", "run_task", "scanned"]

_FAILED = 3
_SUFFIX = ".arrow"


class Task(msgspec.Struct):
    """What a worker is to do: read these files, write what it finds to the folder."""

    paths: list[str]
    options: ReadOptions
    folder: str
    number: int


class _Failure(msgspec.Struct):
    message: str
    path: str
    line: int | None


class _Stored(msgspec.Struct):
    """Where a batch is: its file, its place in that, and its own in the load."""

    resource_type: str
    file: str
    number: int
    place: tuple[int, int, int]


class _Done(msgspec.Struct):
    learned: Learned
    batches: list[_Stored]


class Part:
    """What one process has read: its batches, and what it learnt."""

    def __init__(self, learned: Learned, batches: list[Batch]) -> None:
        self.learned = learned
        self.batches = batches


@contextmanager
def scanned(
    paths: Sequence[str],
    options: ReadOptions,
    workers: int,
    tick: Callable[[int, int], None],
    *,
    spool: bool = False,
) -> Iterator[list[Part]]:
    """Read files with so many processes, this one among them; yield what each has read.

    The batches of other processes, and with `spool` our own too, are mapped from a temporary
    folder, which goes when the block is left.

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
    spool
        Whether to keep our own batches on disk as well.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="asana-export-", ignore_cleanup_errors=True)
        folder = stack.enter_context(temporary)
        with ExitStack() as running:
            others = [
                running.enter_context(_Worker(Task(list(paths), options, folder, number)))
                for number in range(1, workers)
            ]

            def claim(file: int, chunk: int, position: int) -> bool:
                for other in others:
                    other.check()
                tick(file, position)
                return not others or claimer(folder)(file, chunk, position)

            scanner = Scanner(options, claim)
            if spool:
                stored = _spooled(scanner, paths, Path(folder))
                parts = [_mapped(_Done(scanner.learned, stored), Path(folder), stack)]
            else:
                parts = [Part(scanner.learned, list(_all(scanner, paths)))]
            parts += [other.result(stack) for other in others]
        yield parts
        for part in parts:
            part.batches.clear()


def _all(scanner: Scanner, paths: Sequence[str]) -> Iterator[Batch]:
    for file, path in enumerate(paths):
        yield from scanner.scan(path, file)


def _spooled(scanner: Scanner, paths: Sequence[str], folder: Path) -> list[_Stored]:
    """Read files, write the batches to a folder; return where they are."""
    with ExitStack() as stack:
        write = _Writer(folder, stack)
        return [write(batch) for batch in _all(scanner, paths)]


def _mapped(done: _Done, folder: Path, stack: ExitStack) -> Part:
    files: dict[str, Any] = {}
    batches = []
    for stored in done.batches:
        if stored.file not in files:
            source = stack.enter_context(pa.memory_map(str(folder / stored.file)))
            files[stored.file] = pa.ipc.open_file(source)
        table = files[stored.file].get_batch(stored.number)
        batches.append(Batch(stored.resource_type, table, stored.place))
    return Part(done.learned, batches)


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
                [sys.executable, "-m", "asana_jobs_pd._exports.worker", str(self._folder)],
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

    def result(self, stack: ExitStack) -> Part:
        """Wait for what it has read; its files stay mapped until the stack is left."""
        if self._process.wait():
            raise self._error()
        done = msgspec.msgpack.decode((self._folder / "done").read_bytes(), type=_Done)
        return _mapped(done, self._folder, stack)

    def _error(self) -> Exception:
        code = self._process.returncode
        if code == _FAILED:
            failure = msgspec.msgpack.decode((self._folder / "failed").read_bytes(), type=_Failure)
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
        stored = _spooled(scanner, task.paths, folder)
    except ExportFileError as error:
        failure = _Failure(str(error), error.path, error.line)
        (folder / "failed").write_bytes(msgspec.msgpack.encode(failure))
        return _FAILED
    (folder / "done").write_bytes(msgspec.msgpack.encode(_Done(scanner.learned, stored)))
    return 0


class _Writer:
    """Writes batches to files, a new one whenever the schema of a type of row has changed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._open: dict[str, tuple[pa.Schema, Any, str]] = {}
        self._count: dict[str, int] = {}

    def __call__(self, batch: Batch) -> _Stored:
        name, schema = batch.resource_type, batch.table.schema
        if name not in self._open or self._open[name][0] != schema:
            file = f"{len(self._count)}{_SUFFIX}"
            sink: IO[bytes] = self._stack.enter_context((self._folder / file).open("wb"))
            writer = self._stack.enter_context(pa.ipc.new_file(sink, schema))
            self._open[name] = (schema, writer, file)
            self._count[file] = 0
        _, writer, file = self._open[name]
        writer.write_batch(batch.table)
        number = self._count[file]
        self._count[file] += 1
        return _Stored(name, file, number, batch.place)
