import asyncio
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


def add_one(number):
    return number + 1


def use_small_pool():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(CONFIG.number("pool_threads")))
    return loop


async def many_at_a_time(state):
    state.items = jobs = CONFIG.number("at_a_time")
    loop = use_small_pool()
    while state.keep_running():
        answers = await asyncio.gather(*(loop.run_in_executor(None, add_one, i) for i in range(jobs)))
        bench.require(sum(answers) == jobs * (jobs + 1) // 2, "sum of answers")


async def one_at_a_time(state):
    state.items = trips = CONFIG.number("round_trips")
    loop = use_small_pool()
    while state.keep_running():
        number = 0
        for _ in range(trips):
            number = await loop.run_in_executor(None, add_one, number)
        bench.require(number == trips, "number of round trips")


bench.main({"blocking/batch100": many_at_a_time, "blocking/round_trip": one_at_a_time})
