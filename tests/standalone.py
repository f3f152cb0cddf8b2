"""A standalone server, as MongoDB's own refuses transactions: a proxy before an engine that only plays one.

The engines for tests take transactions even with `--standalone`. The proxy answers the first command of a transaction
itself with the server's refusal (code 20), and passes everything else on. OP_MSG:
https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import bson

_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
REFUSAL = {
    "ok": 0.0,
    "errmsg": "Transaction numbers are only allowed on a replica set member or mongos",
    "code": 20,
    "codeName": "IllegalOperation",
}


class StandaloneProxy:
    """Listens on `port`; close it with `close()`."""

    def __init__(self, engine_port: int) -> None:
        self._engine_port = engine_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.create_connection(("127.0.0.1", self._engine_port))
                self._open += [client, engine]
                threading.Thread(target=self._requests, args=(client, engine), daemon=True).start()
                threading.Thread(target=self._replies, args=(engine, client), daemon=True).start()

    def _requests(self, client: socket.socket, engine: socket.socket) -> None:
        with contextlib.suppress(OSError, ConnectionError):
            while True:
                head = _exactly(client, _HEADER.size)
                length, request, _, opcode = _HEADER.unpack(head)
                body = _exactly(client, length - _HEADER.size)
                if opcode == _OP_MSG and b"startTransaction\x00\x01" in body:
                    client.sendall(_reply(request))
                else:
                    engine.sendall(head + body)

    def _replies(self, engine: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := engine.recv(65536):
                client.sendall(chunk)


def _reply(request: int) -> bytes:
    body = struct.pack("<i", 0) + b"\x00" + bson.encode(REFUSAL)
    return _HEADER.pack(_HEADER.size + len(body), 0, request, _OP_MSG) + body


def _exactly(source: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        chunk = source.recv(size - len(parts))
        if not chunk:
            raise ConnectionError("closed")
        parts += chunk
    return parts
