import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import server


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self._write = transport.write

    def data_received(self, data):
        self._write(data)
        server.Totals.messages += 1


server.run(Echo)
