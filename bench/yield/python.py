import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def yielder(wanted):
    yields = 0
    while yields < wanted:
        await asyncio.sleep(0)
        yields += 1
    return yields


def yield_in_turn(tasks):
    each = CONFIG.number("all_yields") // tasks

    async def workload(state):
        state.items = each * tasks
        while state.keep_running():
            yields = await asyncio.gather(*(yielder(each) for _ in range(tasks)))
            bench.require(sum(yields) == each * tasks, "number of yields")

    return workload


bench.main({f"yield/tasks:{tasks}": yield_in_turn(tasks) for tasks in CONFIG.numbers("task_counts")})
