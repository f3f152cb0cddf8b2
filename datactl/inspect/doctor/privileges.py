"""What the connected user may do: by what the server says of it, or by asking for each thing without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from datactl.mongo import Mongo, mapping_errors

_UNAUTHORIZED = 13
_SUPERUSERS = frozenset({"root", "__system"})

# Commands that do nothing, and are refused (code 13) to whoever may not do the action: the server looks at that first.
_HARMLESS: Mapping[str, Mapping[str, Any]] = {
    "find": {"find": "", "filter": {"_id": "datactl-probe"}, "limit": 1},
    "insert": {"insert": "", "documents": []},
    "update": {"update": "", "updates": []},
    "remove": {"delete": "", "deletes": []},
    "listIndexes": {"listIndexes": ""},
    "collStats": {"collStats": ""},
    "dropIndex": {"dropIndexes": "", "index": "datactl-probe"},
    "createIndex": {"createIndexes": "", "indexes": []},
    "collMod": {"collMod": ""},
}


@dataclass(frozen=True, slots=True)
class Need:
    """Actions on one collection; `collection` "" is the database itself, and every collection of it."""

    collection: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User:
    """Who is logged in: `name` as USER@DB, roles by name; `privileges` None where the server does not tell them."""

    name: str
    roles: tuple[str, ...]
    privileges: tuple[Mapping[str, Any], ...] | None

    @property
    def is_superuser(self) -> bool:
        return not _SUPERUSERS.isdisjoint(self.roles)


@dataclass(frozen=True, slots=True)
class Lack:
    """What a user lacks of what it needs, and what could not be found out."""

    missing: tuple[Need, ...]
    unknown: tuple[Need, ...] = ()


def connected_user(mongo: Mongo) -> User | None:
    """Who is logged in on this connection; None where nobody is (the server asks for no user)."""
    with mapping_errors("asking who is logged in"):
        said = mongo.client.admin.command({"connectionStatus": 1, "showPrivileges": True})["authInfo"]
    if not said["authenticatedUsers"]:
        return None
    who = said["authenticatedUsers"][0]
    roles = tuple(role["role"] for role in said.get("authenticatedUserRoles", ()))
    told = tuple(said.get("authenticatedUserPrivileges", ()))
    return User(f"{who['user']}@{who['db']}", roles, told or (None if roles else ()))


class Privileges:
    """What one user may do on one database, each thing found out once.

    SecantusDB enforces roles and tells no privileges: there each action is asked for with a command that does nothing,
    and what has no such command is unknown.
    """

    def __init__(self, mongo: Mongo, user: User | None) -> None:
        self._mongo = mongo
        self._user = user
        self._asked: dict[tuple[str, str], bool | None] = {}

    def lacking(self, needs: Iterable[Need]) -> Lack:
        """What of these needs the user does not have. Nobody logged in lacks nothing: the server does not ask."""
        if self._user is None:
            return Lack(())
        missing: list[Need] = []
        unknown: list[Need] = []
        for need in needs:
            has = {action: self._has(need.collection, action) for action in need.actions}
            for found, sort in ((False, missing), (None, unknown)):
                if those := tuple(action for action, may in has.items() if may is found):
                    sort.append(Need(need.collection, those))
        return Lack(tuple(missing), tuple(unknown))

    def _has(self, collection: str, action: str) -> bool | None:
        if (collection, action) not in self._asked:
            self._asked[collection, action] = self._find_out(collection, action)
        return self._asked[collection, action]

    def _find_out(self, collection: str, action: str) -> bool | None:
        assert self._user is not None
        if self._user.privileges is not None:
            return granted(self._user.privileges, self._mongo.database.name, collection, action)
        if action == "listCollections":
            return _allowed(self._mongo, {"listCollections": 1, "nameOnly": True})
        harmless = _HARMLESS.get(action)
        if harmless is None or not collection:
            return None
        return _allowed(self._mongo, {**harmless, next(iter(harmless)): collection})


def _allowed(mongo: Mongo, command: Mapping[str, Any]) -> bool:
    with mapping_errors(f"asking whether this user may {next(iter(command))}"):
        try:
            mongo.database.command(dict(command))
        except OperationFailure as error:  # whatever else it finds wrong: it was allowed to look
            return error.code != _UNAUTHORIZED
    return True


def granted(privileges: Sequence[Mapping[str, Any]], database: str, collection: str, action: str) -> bool:
    """Whether privileges as connectionStatus tells them hold this action there (MongoDB manual, Resource Document).

    `anyResource` holds everywhere; an empty `db` or `collection` stands for any, a cluster's resource for none.
    """
    for privilege in privileges:
        resource, actions = privilege["resource"], privilege["actions"]
        everywhere = bool(resource.get("anyResource"))
        here = "db" in resource and resource["db"] in ("", database) and resource.get("collection") in ("", collection)
        if (everywhere or here) and (action in actions or "anyAction" in actions):
            return True
    return False
