import asyncio
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def guard_yields(count, limit):
    for _ in range(count):
        async with asyncio.timeout(limit):
            await asyncio.sleep(0)


async def arm_and_cancel(state):
    tasks, each, limit = (CONFIG.number(name) for name in ("tasks", "timeouts_each", "timeout"))
    state.items = tasks * each
    while state.keep_running():
        await asyncio.gather(*(guard_yields(each, limit) for _ in range(tasks)))


async def at_once(number):
    return number


async def guard_what_is_ready(state):
    state.items = count = CONFIG.number("ready_timeouts")
    limit = CONFIG.number("timeout")
    while state.keep_running():
        total = 0
        for _ in range(count):
            async with asyncio.timeout(limit):
                total += await at_once(1)
        bench.require(total == count, "number of time-outs")


async def sleeper(wakes_at):
    await asyncio.sleep(wakes_at - time.monotonic())


async def sleep_together(state):
    sleepers, stride = CONFIG.number("sleepers"), CONFIG.number("stride")
    arming = CONFIG.number("slow_arming")
    while state.keep_running():
        resident, cpu, started = bench.resident_bytes(), time.process_time(), time.monotonic()
        tasks = [asyncio.create_task(sleeper(started + arming + i * stride % sleepers / 1e6)) for i in range(sleepers)]
        await asyncio.sleep(started + arming - 0.1 - time.monotonic())
        bench.require(time.monotonic() - started < arming, "all sleepers armed before the first wakes")
        state.counters["bytes_per_item"] = (bench.resident_bytes() - resident) / sleepers
        for task in tasks:
            await task
        state.counters["cpu_ns_per_item"] = (time.process_time() - cpu) * 1e9 / sleepers


bench.main({
    "timer/arm_cancel": arm_and_cancel,
    "timer/ready": guard_what_is_ready,
    "timer/sleepers1M": sleep_together,
})
