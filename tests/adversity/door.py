"""A way to PostgreSQL that can be shut and opened again."""

import asyncio


class Door:
    """Passes connections on to a server until it is shut; then they break, and new ones are refused."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._server = None
        self._open = set()
        self.port = 0

    async def open(self):
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self):
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _pass(self, reader, writer):
        task = asyncio.current_task()
        self._open.add(task)
        ends = [writer]
        try:
            there, back = await asyncio.open_connection(*self._target)
            ends.append(back)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        except (asyncio.CancelledError, OSError):
            pass  # shut, or broken by one of the two: either way it ends here
        finally:
            self._open.discard(task)
            for end in ends:
                end.transport.abort()


async def _copy(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError
