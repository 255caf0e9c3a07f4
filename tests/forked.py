"""Run a function in a forked child process."""

from __future__ import annotations

import os
import threading


def in_child(function):
    """Run a function in a forked process; return what it wrote, which `repr` made."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover  another process
        said = "died"
        try:
            said = repr(function())
        except BaseException as error:  # noqa: BLE001  nothing may get out of here
            said = f"raised {error!r}"
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123  a descriptor
        deadline = threading.Timer(60, os.kill, (child, 9))
        deadline.start()
        said = pipe.read().decode()
        os.waitpid(child, 0)
        deadline.cancel()
    return said or "killed"
