"""Whatever datactl does to documents, by whichever way, validate has nothing to say of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.workspace import Workspace

MODELS = """
models:
  Team:
    uniqueFields: [name]
    fields:
      name: {type: string, required: true}
      key: {type: string, secret: true}
  Player:
    fields:
      name: string
      team: {type: objectId, ref: Team, onDelete: cascade}
      level: int
      places: {home: string, away: {city: string}}
      tags: [string]
      pin: {type: string, secret: true}
  Badge:
    enableSoftDelete: false
    fields:
      player: {type: objectId, ref: Player, onDelete: cascade}
      colour: string
  Fan:
    fields:
      team: {type: objectId, ref: Team, onDelete: nullify}
      players: [{type: objectId, ref: Player, onDelete: nullify}]
  Note:
    enableSoftDelete: false
    enableTimestamps: false
    fields: {_id: string, text: string}
"""


@pytest.fixture(params=["with the key", "without a key"])
def club(
    request: pytest.FixtureRequest, engine_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A team of three players with badges, a fan of each, and notes; every index is there."""
    if request.param == "with the key":
        monkeypatch.setenv("DATACTL_EVENT_KEY", bytes(range(32)).hex())
    (tmp_path / "models.yaml").write_text(MODELS)
    vault = f"file:{tmp_path / 'vault'}"
    with Workspace.open(
        uri=engine_uri, database=f"t_{ObjectId()}", vault=vault, actor="ann", cwd=tmp_path
    ) as workspace:
        workspace.index_keeper().create_missing()
        for number in range(2):
            team = workspace.repository("Team").create({"name": f"t{number}", "key": "secret"})["_id"]
            players = workspace.repository("Player")
            players.create_many(
                [
                    {
                        "name": f"p{number}{n}",
                        "team": team,
                        "level": n,
                        "tags": ["a"],
                        "pin": "1234",
                        "places": {"home": "h", "away": {"city": "c"}},
                    }
                    for n in range(3)
                ]
            )
            made = ids(workspace, "Player", team=team)
            workspace.repository("Badge").create_many([{"player": each, "colour": "red"} for each in made])
            workspace.repository("Fan").create_many([{"team": team, "players": made}, {"players": made[:1]}])
        workspace.repository("Note").create_many([{"_id": f"n{n}", "text": "t"} for n in range(10)])
        yield workspace


def ids(workspace: Workspace, model: str, **query: Any) -> list[Any]:
    collection = workspace.mongo.collection(workspace.registry.model(model).collection)
    return [row["_id"] for row in collection.find(query, {"_id": 1}).sort("_id", 1)]


def nothing_is_found(workspace: Workspace) -> None:
    validator = workspace.validator()
    assert list(validator.run(validator.plan())) == []


def undo(workspace: Workspace, op: str) -> str:
    undoer = workspace.undoer()
    result = undoer.undo(undoer.plan(op))
    assert not result.failures
    return result.op


def last_op(workspace: Workspace) -> str:
    row = workspace.mongo.collection("outboxes").find_one({}, sort=[("_id", -1)])
    return str(row["op"])  # type: ignore[index]


def test_creating_and_changing(club: Workspace) -> None:
    players = club.repository("Player")
    one, two, three, *_ = ids(club, "Player")
    players.update_by_id(one, {"level": 7, "pin": "9999"})
    players.update_by_id(two, {"$inc": {"level": 1}, "$push": {"tags": "b"}, "$unset": {"places.home": ""}})
    players.update_by_id(three, {"$set": {"places.away.city": "x"}, "$addToSet": {"tags": "a"}})
    players.update_many({"level": {"$gte": 1}}, {"$mul": {"level": 2}, "$pull": {"tags": "a"}})
    nothing_is_found(club)


def test_deleting_with_what_goes_along_and_bringing_it_back(club: Workspace) -> None:
    teams = club.repository("Team")
    team, _ = ids(club, "Team")
    op = teams.soft_delete(team, reason="dissolved").op
    assert len(ids(club, "Player", deleted=True)) == 3
    assert len(ids(club, "Badge")) == 3
    assert len(ids(club, "Fan", team=team)) == 0
    nothing_is_found(club)
    undo(club, op)
    assert len(ids(club, "Badge")) == 6
    assert len(ids(club, "Fan", team=team)) == 1
    nothing_is_found(club)


def test_removing_by_way_of_the_vault(club: Workspace) -> None:
    notes = club.repository("Note")
    one = notes.remove("n1").op
    many = notes.remove_many(ids=["n2", "n3"]).op
    nothing_is_found(club)
    undo(club, one)
    club.restorer().restore("Note", ["n2"])
    nothing_is_found(club)
    undo(club, many)
    nothing_is_found(club)
    notes.remove("n1")
    nothing_is_found(club)


def test_undoing_creations_changes_and_undos(club: Workspace) -> None:
    players = club.repository("Player")
    one, two, *_ = ids(club, "Player")
    players.update_by_id(one, {"level": 50, "places.home": "there"})
    first = undo(club, last_op(club))
    nothing_is_found(club)
    undo(club, first)
    nothing_is_found(club)
    players.create({"name": "new"})
    removed = undo(club, last_op(club))
    nothing_is_found(club)
    undo(club, removed)
    nothing_is_found(club)
    players.soft_delete(two)
    undo(club, last_op(club))
    nothing_is_found(club)


def test_archiving_and_restoring(club: Workspace) -> None:
    players = club.repository("Player")
    one, two, three, *_ = ids(club, "Player")
    players.soft_delete_many(ids=[one, two, three])
    club.archiver().run(club.archiver().plan("Player", 0))
    nothing_is_found(club)
    club.restorer().restore("Player", [one], set={"level": 3})
    club.restorer().restore("Player", [two], as_archived=True)
    nothing_is_found(club)
    players.restore(two)
    players.soft_delete(one)
    club.archiver().run(club.archiver().plan("Player", 0))
    nothing_is_found(club)


def test_stamping_marks(club: Workspace) -> None:
    club.mongo.collection("players").insert_one({"name": "x", "deleted": True})
    result = club.mark_fixer("Player").run(reason="no date")
    assert result is not None
    nothing_is_found(club)


def test_stamped_marks_can_be_taken_back(club: Workspace) -> None:
    players = club.mongo.collection("players")
    players.insert_many([{"name": "x", "deleted": True}, {"name": "y", "deleted": True, "deletedAt": None}])
    before = list(players.find({"deleted": True}, {"updatedAt": 0}).sort("_id", 1))
    result = club.mark_fixer("Player").run(reason="no date")
    assert result is not None
    undo(club, result.op)
    assert list(players.find({"deleted": True}, {"updatedAt": 0}).sort("_id", 1)) == before
    validator = club.validator()
    assert [found.code for found in validator.run(validator.plan())] == ["undated", "undated"]
