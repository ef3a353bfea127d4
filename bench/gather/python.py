import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def child(number):
    await asyncio.sleep(0)
    return number


async def gather_all(state):
    state.items = children = CONFIG.number("children")
    while state.keep_running():
        numbers = await asyncio.gather(*(child(i) for i in range(children)))
        bench.require(sum(numbers) == children * (children - 1) // 2, "sum of the children's numbers")


bench.main({"gather": gather_all})
