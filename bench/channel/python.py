import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import bench

CONFIG = bench.Config()


async def answer(ping, pong):
    while (number := await ping.get()) is not None:
        await pong.put(number + 1)


async def ping_pong(state):
    state.items = rounds = CONFIG.number("rounds")
    ping, pong = asyncio.Queue(1), asyncio.Queue(1)
    peer = asyncio.create_task(answer(ping, pong))
    while state.keep_running():
        number = 0
        for _ in range(rounds):
            await ping.put(number)
            number = await pong.get()
        bench.require(number == rounds, "number of round trips")
    await ping.put(None)
    await peer


async def produce(queue, first, count):
    for i in range(count):
        await queue.put(first + i)


async def consume(queue, count):
    total = 0
    for _ in range(count):
        total += await queue.get()
    return total


async def many_to_many(state):
    producers, consumers, each = (CONFIG.number(name) for name in ("producers", "consumers", "items_each"))
    state.items = items = producers * each
    shared = asyncio.Queue(CONFIG.number("capacity"))
    while state.keep_running():
        async with asyncio.TaskGroup() as group:
            sums = [group.create_task(consume(shared, each)) for _ in range(consumers)]
            for i in range(producers):
                group.create_task(produce(shared, i * each, each))
        bench.require(sum(one.result() for one in sums) == items * (items - 1) // 2, "sum of the received items")


bench.main({"channel/ping_pong": ping_pong, "channel/mpmc": many_to_many})
