"""A server of one file under any name, as fast as it is told: `python -m benchmarks.files`.

    python -m benchmarks.files FILE [--all MB_A_SECOND] [--each MB_A_SECOND]

`--all` limits what all connections get together, `--each` what each of them gets.
"""

from __future__ import annotations

import argparse
import socket
import threading
import time
from pathlib import Path

SLICE = 128 * 1024


class Pace:
    """Says when the next bytes may go, so that never more than the rate has gone."""

    def __init__(self, megabytes):
        self.rate = megabytes * 1e6
        self.lock = threading.Lock()
        self.free_at = 0.0

    def wait(self, size):
        with self.lock:
            now = time.perf_counter()
            begin = max(now - 0.01, self.free_at)  # what a late timer lost is made up for
            self.free_at = begin + size / self.rate
        time.sleep(max(0.0, begin - now))


def answer(connection, path, size, shared, each):
    with connection, Path(path).open("rb") as file:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while read_request(connection):
            head = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: "1"\r\n\r\n'
            connection.sendall(head.encode())
            paces = [pace for pace in (shared, each and Pace(each)) if pace]
            step = SLICE if paces else size
            for place in range(0, size, step):
                for pace in paces:
                    pace.wait(min(step, size - place))
                connection.sendfile(file, place, min(step, size - place))


def read_request(connection):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data


def serve(path, shared, each):
    size = Path(path).stat().st_size
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(
            target=answer, args=(connection, path, size, shared, each), daemon=True
        ).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--all", type=float)
    parser.add_argument("--each", type=float)
    chosen = parser.parse_args()
    serve(chosen.file, chosen.all and Pace(chosen.all), chosen.each)
