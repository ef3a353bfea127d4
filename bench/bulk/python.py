import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import server


class Bulk(asyncio.Protocol):
    """Reads nothing while the peer does not take what it got."""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._transport.write(data)
        server.Totals.messages += 1

    def pause_writing(self):
        self._transport.pause_reading()

    def resume_writing(self):
        self._transport.resume_reading()


server.run(Bulk)
