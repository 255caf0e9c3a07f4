"""A server that costs as little as it can, so that the client is what is measured.

`python -m benchmarks.server LATENCY` answers every GET with a job after so many seconds.
"""

from __future__ import annotations

import asyncio
import sys

import orjson

RECORD = {
    "gid": "GID",
    "resource_type": "job",
    "resource_subtype": "duplicate_task",
    "status": "succeeded",
    "new_project": None,
    "new_task": {
        "gid": "1208000000000001",
        "resource_type": "task",
        "name": "Bug Task – überarbeitet",
        "resource_subtype": "default_task",
        "created_by": {"gid": "1208000000000002", "resource_type": "user"},
    },
    "new_project_template": None,
    "new_graph_export": None,
    "new_resource_export": None,
}
HEAD, TAIL = orjson.dumps({"data": RECORD}).split(b"GID")


class Connection(asyncio.Protocol):
    latency = 0.0

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        if self.buffer.endswith(b"\r\n\r\n"):
            path = self.buffer.split(b" ", 2)[1].partition(b"?")[0]
            self.buffer = b""
            gid = path.rpartition(b"/")[2]
            asyncio.get_running_loop().call_later(self.latency, self.answer, gid)

    def answer(self, gid):
        body = HEAD + gid + TAIL
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def serve(latency):
    Connection.latency = latency
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/1.0", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
