"""A server on loopback that misbehaves as told, byte by byte: what stands between us and an API."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

SUCCESS = "200 OK"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that has come."""

    method: str
    target: str
    head: bytes

    def has(self, header: bytes) -> bool:
        """Whether it has a header of this name."""
        return b"\r\n" + header.lower() + b":" in self.head.lower()


@dataclass(slots=True)
class Wire:
    """A connection with somebody, to be written to in any way."""

    request: Seen
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection off, without a farewell."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Step = Callable[[Wire], Awaitable[None]]
"""What a request meets. The connection is closed afterwards, so every answer ends with it."""


class Proxy:
    """Takes a step for each request: of the script of its method, the last one again and again."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.seen: list[Seen] = []
        self.connections = 0
        self._scripts: dict[str, list[Step]] = {}

    def on(self, method: str, *steps: Step) -> None:
        """Write the script of a method."""
        self._scripts[method] = list(steps)

    def count(self, method: str) -> int:
        """Count the requests of a method."""
        return sum(each.method == method for each in self.seen)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request of a connection, and its step."""
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            self.seen.append(Seen(method, target, head))
            script = self._scripts[method]
            step = script.pop(0) if len(script) > 1 else script[0]
            await step(Wire(self.seen[-1], writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has had enough
        finally:
            writer.close()


@asynccontextmanager
async def misbehaving() -> AsyncIterator[Proxy]:
    """Listen on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(listener.getsockname()[1])
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await proxy.serve(reader, writer)

    server = await asyncio.start_server(serve, sock=listener)
    try:
        yield proxy
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raw(data: bytes) -> Step:
    """Send these bytes, and close."""

    async def step(wire: Wire) -> None:
        await wire.send(data)

    return step


def head(status: str = SUCCESS, **headers: str) -> bytes:
    """Write the beginning of an answer; `_` in a name is a `-`."""
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def body(content: bytes, status: str = SUCCESS, **headers: str) -> Step:
    """Answer with this content."""
    return raw(head(status, Content_Length=str(len(content)), **headers) + content)


def data(value: Any) -> Step:
    """Answer as the API does."""
    return body(json.dumps({"code": "Success", "data": value}).encode())


def refusal(status: str, **headers: str) -> Step:
    """Refuse as the API does."""
    return body(b'{"code":"Odd","message":"It is odd."}', status, **headers)


def packed(content: bytes, times: int = 1, encoding: str = "gzip") -> Step:
    """Answer with this content, compressed."""
    for _ in range(times):
        content = gzip.compress(content)
    return body(content, Content_Encoding=encoding)


def broken_off(first: bytes, *, reset: bool) -> Step:
    """Send the beginning of something, and break off; the other side had time to read it."""

    async def step(wire: Wire) -> None:
        await wire.send(first)
        await asyncio.sleep(0.03)
        if reset:
            wire.reset()

    return step


def forever(first: bytes, again: bytes, *, every: float = 0.0) -> Step:
    """Send something, and then something else without end."""

    async def step(wire: Wire) -> None:
        await wire.send(first)
        while True:
            await wire.send(again)
            await asyncio.sleep(every)

    return step


def chunk(content: bytes) -> bytes:
    """Write a chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(content), content)


async def silence(_: Wire) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def nothing(_: Wire) -> None:
    """Close without an answer."""


async def reset(wire: Wire) -> None:
    """Break off without an answer."""
    wire.reset()


def pages(*cursors: str, rows: Mapping[str, Any]) -> tuple[Step, ...]:
    """Answer with pages of one row, each with its cursor to the next."""
    return tuple(data({"items": [rows], "next_cursor": cursor}) for cursor in cursors)
