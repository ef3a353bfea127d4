import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def cancel_all(state):
    state.items = count = CONFIG.number("tasks")
    while state.keep_running():
        tasks = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(count)]
        await asyncio.sleep(0)  # all sleep now
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        bench.require(sum(isinstance(one, asyncio.CancelledError) for one in ended) == count, "number of cancelled tasks")


bench.main({"cancel_storm": cancel_all})
