"""What the server can do: found by asking and by trying, each once per connection and only when wanted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from datactl.mongo.driver_errors import mapping_errors
from datactl.mongo.wording import reason_of

Topology: TypeAlias = Literal["standalone", "replica_set", "sharded"]

# Wire version of MongoDB 8.0, the first with the bulkWrite command.
_WIRE_BULK_WRITE = 25
_ILLEGAL_OPERATION = 20
_PARTIAL_IN = (6, 0)  # MongoDB manual, Partial Indexes: $in in a partialFilterExpression
_IN_CHUNK = 1000
_IN_CHUNK_QUADRATIC = 100


class Capabilities:
    """Answers about one server. None of them changes a document; `transactions` leaves its trial uncommitted.

    Every property raises CannotConnect, AuthenticationFailed or NotPermitted when the server cannot be asked.
    """

    def __init__(self, client: MongoClient[dict[str, Any]], scratch: Collection[dict[str, Any]]) -> None:
        self._client = client
        self._scratch = scratch

    @cached_property
    def _hello(self) -> Mapping[str, Any]:
        with mapping_errors("asking the server what it is"):
            return self._client.admin.command("hello")

    @cached_property
    def _build(self) -> Mapping[str, Any]:
        with mapping_errors("asking the server for its version"):
            return self._client.admin.command("buildInfo")

    @property
    def server_version(self) -> str:
        """The MongoDB version the server says it is: `8.0.4`."""
        return str(self._build["version"])

    @property
    def server_kind(self) -> Literal["mongod", "secantusd-rs", "secantusd-py"]:
        """Whose server: MongoDB's own, or one of SecantusDB's two."""
        if "secantusVersion" not in self._build:
            return "mongod"
        compiler = self._build.get("buildEnvironment", {}).get("cc")
        return "secantusd-rs" if compiler == "rustc" else "secantusd-py"

    @property
    def topology(self) -> Topology:
        if self._hello.get("msg") == "isdbgrid":
            return "sharded"
        return "replica_set" if "setName" in self._hello else "standalone"

    @property
    def set_name(self) -> str | None:
        name = self._hello.get("setName")
        return None if name is None else str(name)

    @property
    def wire_version(self) -> int:
        return int(self._hello["maxWireVersion"])

    @property
    def client_bulk_write(self) -> bool:
        """Whether one command can write to several collections."""
        return self.wire_version >= _WIRE_BULK_WRITE

    @property
    def bulk_write_opens_transaction(self) -> bool:
        """Whether a client bulkWrite may be a transaction's first command: SecantusDB refuses its readConcern."""
        return self.server_kind == "mongod"

    @property
    def change_streams(self) -> bool:
        """A standalone has no oplog to follow (MongoDB manual, Change Streams, Availability)."""
        return self.topology != "standalone"

    @property
    def text_index(self) -> bool:
        """Whether text indexes can be made. By identity: trying would make a collection on a reading command."""
        return self.server_kind == "mongod"

    @property
    def partial_in(self) -> bool:
        """Whether a partial index may say `$in`: with it alone one covers live documents without the mark too."""
        version = tuple(int(part) for part in self.server_version.split(".")[:2] if part.isdecimal())
        return version >= _PARTIAL_IN

    @property
    def index_usage(self) -> bool:
        """Whether `$indexStats` counts: SecantusDB answers it, and leaves every count at 0."""
        return self.server_kind == "mongod"

    @property
    def in_chunk(self) -> int:
        """How many values to put into one `$in`: beyond 100 secantusd-py takes quadratic time."""
        return _IN_CHUNK_QUADRATIC if self.server_kind == "secantusd-py" else _IN_CHUNK

    @property
    def transactions(self) -> bool:
        return self.transactions_refusal is None

    @cached_property
    def transactions_refusal(self) -> str | None:
        """Why a trial transaction was refused, in the server's words; None when transactions work.

        The trial inserts a row and aborts: a server that ignores transactions would keep the row.
        """
        row = {"_id": f"trial-{ObjectId()}"}
        scratch = self._scratch.with_options(write_concern=WriteConcern("majority"))
        with mapping_errors("trying a transaction"):
            try:
                with self._client.start_session() as session:
                    session.start_transaction(ReadConcern("snapshot"), WriteConcern("majority"))
                    scratch.insert_one(row, session=session)
                    session.abort_transaction()
            except ConfigurationError as error:  # the driver: no sessions on this deployment
                return reason_of(error)
            except OperationFailure as error:
                if error.code != _ILLEGAL_OPERATION:
                    raise
                return reason_of(error)
            if scratch.delete_one(row).deleted_count:
                return "an aborted transaction was kept"
        return None
