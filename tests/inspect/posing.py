"""A server that poses as another: a proxy before an engine that answers some commands itself.

For what the engines at hand do not do: MongoDB's own count of the use of indexes, an older version.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import bson

from datactl.mongo import Mongo, open_mongo
from tests.standalone import StandaloneProxy

_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
_FLAGS_AND_KIND = 5

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


class PosingProxy(StandaloneProxy):
    """`answer(command)` gives the reply to a command, or None where the engine is to answer."""

    def __init__(self, engine_port: int, answer: Answer) -> None:
        self._answer = answer
        super().__init__(engine_port)

    def _requests(self, client: socket.socket, engine: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while head := client.recv(_HEADER.size, socket.MSG_WAITALL):
                length, request, _, opcode = _HEADER.unpack(head)
                body = client.recv(length - _HEADER.size, socket.MSG_WAITALL)
                found = self._answer(_command(body)) if opcode == _OP_MSG else None
                if found is None:
                    engine.sendall(head + body)
                else:
                    client.sendall(_reply(request, found))


def posing_as(
    engine_port: int, version: str, usage: Mapping[str, list[Mapping[str, Any]]] | None = None
) -> PosingProxy:
    """MongoDB's own server of this version; `usage` are its answers to `$indexStats` by collection."""

    def answer(command: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if "buildInfo" in command or "buildinfo" in command:
            return {"version": version, "ok": 1.0}
        if command.get("pipeline") == [{"$indexStats": {}}] and usage is not None:
            collection = command["aggregate"]
            batch = usage.get(collection, [])
            return {
                "cursor": {"id": 0, "ns": f"{command['$db']}.{collection}", "firstBatch": batch},
                "ok": 1.0,
            }
        return None

    return PosingProxy(engine_port, answer)


@contextlib.contextmanager
def behind(database: str) -> Iterator[Callable[[PosingProxy], Mongo]]:
    """`connect(proxy)`: this database through a proxy; in the end all of them are closed."""
    with contextlib.ExitStack() as opened:

        def connect(proxy: PosingProxy) -> Mongo:
            opened.callback(proxy.close)
            return opened.enter_context(open_mongo(proxy.uri, database))

        yield connect


def _command(body: bytes) -> Mapping[str, Any]:
    """The document of an OP_MSG's first section of kind 0; nothing for a message that begins with another."""
    if body[4] != 0:
        return {}
    size = struct.unpack_from("<i", body, _FLAGS_AND_KIND)[0]
    found: Mapping[str, Any] = bson.decode(body[_FLAGS_AND_KIND : _FLAGS_AND_KIND + size])
    return found


def _reply(request: int, document: Mapping[str, Any]) -> bytes:
    body = struct.pack("<i", 0) + b"\x00" + bson.encode(document)
    return _HEADER.pack(_HEADER.size + len(body), 0, request, _OP_MSG) + body
