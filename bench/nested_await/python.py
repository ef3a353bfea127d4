import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def child(number):
    return number


async def await_in_a_loop(state):
    state.items = awaits = CONFIG.number("awaits")
    while state.keep_running():
        total = 0
        for i in range(awaits):
            total += await child(i)
        bench.require(total == awaits * (awaits - 1) // 2, "sum of the children's numbers")


bench.main({"nested_await/loop": await_in_a_loop})
