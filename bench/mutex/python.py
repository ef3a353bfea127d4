import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def lock_free_mutex(state):
    state.items = locks = CONFIG.number("free_locks")
    lock = asyncio.Lock()
    while state.keep_running():
        counter = 0
        for _ in range(locks):
            async with lock:
                counter += 1
        bench.require(counter == locks, "guarded counter")


class Guarded:
    counter = 0


async def take_turns(lock, guarded, locks):
    for _ in range(locks):
        async with lock:
            before = guarded.counter
            await asyncio.sleep(0)
            guarded.counter = before + 1


async def lock_contended_mutex(state):
    tasks, each = CONFIG.number("tasks"), CONFIG.number("locks_each")
    state.items = tasks * each
    lock = asyncio.Lock()
    while state.keep_running():
        guarded = Guarded()
        await asyncio.gather(*(take_turns(lock, guarded, each) for _ in range(tasks)))
        bench.require(guarded.counter == tasks * each, "guarded counter")


bench.main({"mutex/free": lock_free_mutex, "mutex/contended": lock_contended_mutex})
