"""Export files from a server to a verified file: speed, CPU and several at a time.

`python -m benchmarks.download` prints the tables; with WHAT and its arguments, one measurement.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

from asana_jobs_pd.sandbox import Sandbox
from benchmarks.measure import Figure, beside, fresh, interleaved, show, timed

OURS = "asana_jobs_pd"
ALL = 50
EACH = 20
FILES = 8
WORKERS = 4
BLOCK = 20_000
CHUNK = 256 * 1024


def make(path, blocks):
    """Write a resource export: so many times 20,000 rows, about 7 MB each."""
    from asana_jobs_pd.sandbox._exports import export_rows

    rows = export_rows("export_request", BLOCK, "benchmark")
    block = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    packer = zlib.compressobj(6, wbits=31)
    with path.open("wb") as file:  # gzip does not look back that far: it packs each block anew
        file.writelines(packer.compress(block) for _ in range(blocks))
        file.write(packer.flush())
    return path.stat().st_size


def ours(base_url, files):
    """Download files of fresh URLs; return the wall and CPU seconds."""
    import asana_jobs_pd as aj

    client = aj.connect("benchmark", base_url=f"{base_url}/api/1.0")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    query = f"X-Amz-Date={stamp}&X-Amz-Expires=3600&X-Amz-Signature=benchmark"
    jobs = aj.asana_jobs_from_records(
        [
            {
                "gid": gid,
                "status": "succeeded",
                "new_resource_export": {"download_url": f"{base_url}/{gid}?{query}"},
            }
            for gid in Sandbox().gids(files + 1)
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        # The imports of a first download are not what is measured.
        jobs[:0].asana.download(folder, client=client, progress=False)
        jobs = jobs.iloc[1:]
        done, wall, cpu = timed(
            lambda: jobs.asana.download(
                folder, client=client, max_workers=WORKERS, progress=False, errors="raise"
            )
        )
    assert len(done) == files
    return {"wall": wall, "cpu": cpu, "bytes": int(done["file.bytes"].sum())}


def curl(base_url):
    """Let curl download the file; nothing is verified."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["curl", "-s", "-f", "-o", f"{folder}/file", f"{base_url}/1?X-Amz-Signature=b"]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        return {"wall": time.perf_counter() - began}


def floor(path):
    """Inflate and hash the same bytes from the page cache, with the same tools."""
    from isal import igzip_lib

    def read():
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        digest, inflated = hashlib.sha256(), 0
        with Path(path).open("rb", buffering=0) as file:
            while data := file.read(CHUNK):
                digest.update(data)
                inflated += len(inflater.decompress(data, CHUNK))
                while not (inflater.needs_input or inflater.eof):
                    inflated += len(inflater.decompress(b"", CHUNK))
        assert inflater.eof
        return inflated, digest.hexdigest()

    _, wall, cpu = timed(read)
    return {"wall": wall, "cpu": cpu}


def limited(path, size, repetitions):
    """Compare with curl, from a server that gives so much a second to all together."""
    with beside("benchmarks.files", path, "--all", ALL) as base_url:
        results = interleaved(
            (OURS, "curl"),
            repetitions,
            lambda name: fresh("download", "ours" if name == OURS else "curl", base_url, 1),
        )
    walls = {name: [result["wall"] for result in found] for name, found in results.items()}
    ratios = [theirs / our for our, theirs in zip(walls[OURS], walls["curl"], strict=True)]
    return show(
        f"One file of {size / 1e6:.0f} MB, the server limited to {ALL} MB/s",
        [
            *(
                Figure(f"{name}: speed", [size / 1e6 / wall for wall in walls[name]], "MB/s")
                for name in walls
            ),
            Figure(f"{OURS}: as fast as `curl -o`", ratios, "×", 0.95, "≥"),
        ],
    )


def unlimited(path, size, repetitions):
    """Compare the CPU with what inflating and hashing alone take."""
    with beside("benchmarks.files", path) as base_url:
        results = interleaved(
            ("ours", "floor"),
            repetitions,
            lambda name: fresh("download", name, base_url if name == "ours" else path, 1),
        )
    cpus = {name: [result["cpu"] for result in found] for name, found in results.items()}
    ratios = [our / least for our, least in zip(cpus["ours"], cpus["floor"], strict=True)]
    speeds = [size / 1e6 / result["wall"] for result in results["ours"]]
    return show(
        f"One file of {size / 1e6:.0f} MB, as fast as it goes",
        [
            Figure(f"{OURS}: CPU", cpus["ours"], "s"),
            Figure("inflate and hash: CPU", cpus["floor"], "s"),
            Figure(f"{OURS}: CPU of inflating and hashing", ratios, "×", 1.15),
            Figure(f"{OURS}: speed", speeds, "MB/s"),
        ],
    )


def several(path, size, repetitions):
    """Compare with the time that the connections themselves take."""
    bound = FILES / WORKERS * size / (EACH * 1e6)
    with beside("benchmarks.files", path, "--each", EACH) as base_url:
        results = [fresh("download", "ours", base_url, FILES) for _ in range(repetitions)]
    return show(
        f"{FILES} files of {size / 1e6:.0f} MB, {WORKERS} at a time, each connection limited to "
        f"{EACH} MB/s: bound {bound:.2f} s",
        [Figure(f"{OURS}: wall", [result["wall"] / bound for result in results], "× bound", 1.1)],
    )


def main(repetitions=5):
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder, "large.gz"), Path(folder, "small.gz")
        sizes = make(large, 14), make(small, 4)
        return [
            *limited(large, sizes[0], repetitions),
            *unlimited(large, sizes[0], repetitions),
            *several(small, sizes[1], repetitions),
        ]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours", base_url, files]:
            print(json.dumps(ours(base_url, int(files))))
        case ["curl", base_url, _]:
            print(json.dumps(curl(base_url)))
        case ["floor", path, _]:
            print(json.dumps(floor(path)))
        case _:
            main()
