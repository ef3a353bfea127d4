import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def child(number):
    return number


def spawn_and_join(tasks):
    async def workload(state):
        state.items = tasks
        while state.keep_running():
            handles = [asyncio.create_task(child(i)) for i in range(tasks)]
            total = 0
            for handle in handles:
                total += await handle
            bench.require(total == tasks * (tasks - 1) // 2, "sum of the tasks' numbers")

    return workload


bench.main({f"spawn_join/tasks:{tasks}": spawn_and_join(tasks) for tasks in CONFIG.numbers("task_counts")})
