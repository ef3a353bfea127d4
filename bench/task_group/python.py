import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def child(ended, number):
    ended[number] += 1


async def spawn_and_wait(state):
    state.items = children = CONFIG.number("children")
    ended = [0] * children
    expected = 0
    while state.keep_running():
        async with asyncio.TaskGroup() as group:
            for number in range(children):
                group.create_task(child(ended, number))
        expected += children
        bench.require(sum(ended) == expected, "number of children that ended")


bench.main({"task_group": spawn_and_wait})
