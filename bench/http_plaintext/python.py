import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support/python"))

import server

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
BLANK_LINE = b"\r\n\r\n"


class Plaintext(asyncio.Protocol):
    """Counts blank lines, as the scanner of config.h does."""

    def connection_made(self, transport):
        self._write = transport.write
        self._rest = b""

    def data_received(self, data):
        data = self._rest + data
        requests = data.count(BLANK_LINE)
        if requests:
            self._write(RESPONSE * requests)
            server.Totals.messages += requests
            data = data[data.rindex(BLANK_LINE) + len(BLANK_LINE):]
        self._rest = data


server.run(Plaintext)
