import asyncio
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


def folder():
    made = pathlib.Path(tempfile.gettempdir()) / "weft-bench-files"
    made.mkdir(exist_ok=True)
    return made


def fill(path, size):
    if not path.exists() or path.stat().st_size != size:
        path.write_bytes(bytes(size))


async def small(state):
    state.items = files = CONFIG.number("small_files")
    size = CONFIG.number("small_bytes")
    paths = [folder() / str(i) for i in range(files)]
    for path in paths:
        fill(path, size)
    while state.keep_running():
        contents = await asyncio.gather(*(asyncio.to_thread(path.read_bytes) for path in paths))
        bench.require(sum(map(len, contents)) == files * size, "sum of sizes")


async def large(state):
    state.items = chunks = CONFIG.number("chunks")
    size = CONFIG.number("chunk_bytes")
    path = folder() / "large"
    fill(path, chunks * size)
    buffer = bytearray(size)
    while state.keep_running():
        total = 0
        file = await asyncio.to_thread(open, path, "rb", 0)
        while count := await asyncio.to_thread(file.readinto, buffer):
            total += count
        file.close()
        bench.require(total == chunks * size, "size of the file")


bench.main({"files/small": small, "files/large": large})
