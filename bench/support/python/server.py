"""The frame of a Python server under measurement: arguments, SIGTERM, the closing line; as support/server.h has it for C
and C++. Servers in Python are protocols, not streams: the fast way."""

import argparse
import asyncio
import resource
import signal
import socket
import sys
import time

import bench


class Totals:
    messages = 0


async def serve_until_signal(protocol, address):
    loop = asyncio.get_running_loop()
    stopped = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: stopped.done() or stopped.set_result(None))
    host, port = address.rsplit(":", 1)
    server = await loop.create_server(protocol, host, int(port), backlog=4096, family=socket.AF_INET)
    print("listening on %s:%d" % server.sockets[0].getsockname(), flush=True)
    await stopped
    server.close()


def run(protocol):
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="IP:PORT")
    parser.add_argument("--workers", type=int, default=1, choices=[1], help="an event loop is one thread")
    parser.add_argument("--loop", default="asyncio", choices=["asyncio", "uvloop"])
    arguments = parser.parse_args()
    factories = bench.loop_factories()
    if arguments.loop not in factories:
        sys.exit(f"{arguments.loop} is not installed")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with asyncio.Runner(loop_factory=factories[arguments.loop]) as runner:
        runner.run(serve_until_signal(protocol, arguments.listen))
    print(f"cpu_ns={time.process_time_ns()} messages={Totals.messages}", flush=True)
