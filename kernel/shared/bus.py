"""Messages between the processes of a site: one Redis subscription per process, JSON in, handlers called in
order.

The wire format, for scripts and pipelines that publish by themselves: channel `{prefix}:bus`, payload the
topic, a newline, a JSON object. One channel for all topics makes `subscribe` take effect at once, without a
round trip, so that nothing is missed between subscribing and acting.

Redis forgets a message that nobody was connected for. Whoever must not miss one subscribes to CONNECTED as
well, which is said each time the subscription has been made anew, and then looks at the source.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import orjson
from redis.asyncio.client import PubSub

from kernel.log import get_logger
from kernel.shared.connection import AWAY, COMMAND_S, Shared, unavailable

Handler: TypeAlias = Callable[[dict[str, Any]], None]

log = get_logger(__name__)

CONNECTED = "bus-connected"
# A silent connection is asked for a sign of life this often; a second silence means that it is dead.
HEARTBEAT_S = 5.0
RECONNECT_S = 0.1


def encode_message(topic: str, message: Mapping[str, Any]) -> bytes:
    return topic.encode() + b"\n" + orjson.dumps(message)


class Bus:
    """The subscription of one process."""

    def __init__(self, shared: Shared) -> None:
        self.connected = False
        self.channel = shared.key("bus")
        self._shared = shared
        self._handlers: defaultdict[str, list[Handler]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen from now on, until `close`. Raises Unavailable when the first connection fails."""
        pubsub = self._shared.client.pubsub()
        try:
            await self._join(pubsub)
            # Sending may succeed into a connection that is already dead; the answer tells.
            if not await self._take_message(pubsub):
                raise TimeoutError("no answer to a subscription")
        except AWAY as error:
            await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it bare
            raise unavailable(error) from error
        self._task = asyncio.create_task(self._listen_for_ever(pubsub), name="bus")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self.connected = False

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        """Have `handler` called for every message; it must be quick. The answer ends the subscription."""
        self._handlers[topic].append(handler)

        def unsubscribe() -> None:
            handlers = self._handlers.get(topic, [])
            if handler in handlers:
                handlers.remove(handler)
            if not handlers:
                self._handlers.pop(topic, None)

        return unsubscribe

    async def publish(self, topic: str, message: Mapping[str, Any]) -> None:
        """Send to every process, this one included. With Redis away the message is lost, which is logged."""
        try:
            await self._shared.client.publish(self.channel, encode_message(topic, message))
        except AWAY as error:
            log.warning("a message could not be sent", topic=topic, error=repr(error))

    async def _listen_for_ever(self, pubsub: PubSub) -> None:
        while True:
            try:
                await self._listen(pubsub)
            except AWAY as error:
                if self.connected:
                    log.warning("the message subscription was lost", error=repr(error))
            except Exception:  # whatever happened: a process that stopped listening would never hear again
                log.exception("the message subscription failed")
            finally:
                self.connected = False
                await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it bare
            await asyncio.sleep(RECONNECT_S)
            pubsub = self._shared.client.pubsub()

    async def _listen(self, pubsub: PubSub) -> None:
        """Until the connection fails; redis-py may also reconnect by itself, seen as another `subscribe`."""
        if not pubsub.subscribed:
            await self._join(pubsub)
        asked = False
        while True:
            if await self._take_message(pubsub):
                asked = False
            elif asked:
                raise TimeoutError("no answer to a heartbeat")
            else:
                async with asyncio.timeout(COMMAND_S):
                    await pubsub.ping()
                asked = True

    async def _take_message(self, pubsub: PubSub) -> bool:
        """Whether anything came before it was time for a heartbeat."""
        message = await pubsub.get_message(timeout=HEARTBEAT_S)
        if message is None:
            return False
        if message["type"] == "subscribe":
            self.connected = True
            self._deliver(CONNECTED, b"{}")
        elif message["type"] == "message":
            topic, _, body = message["data"].partition(b"\n")
            self._deliver(topic.decode(errors="replace"), body)
        return True

    async def _join(self, pubsub: PubSub) -> None:
        async with asyncio.timeout(COMMAND_S):
            await pubsub.subscribe(self.channel)

    def _deliver(self, topic: str, body: bytes) -> None:
        handlers = self._handlers.get(topic)
        if not handlers:
            return
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            log.warning("a message was not a JSON object", topic=topic)
            return
        for handler in tuple(handlers):
            try:
                handler(message)
            except Exception:  # one subscriber's mistake must not cost the others their messages
                log.exception("a message handler failed", topic=topic)
