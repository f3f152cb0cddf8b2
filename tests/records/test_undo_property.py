"""Undo, property: random changes of every BSON type, undone in random order, with other programs' edits in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from datactl.mongo import open_mongo
from tests.records.undo_desk import Desk, but_time
from tests.records.undo_world import Do, World, exact, things


@pytest.fixture(scope="module")
def desk(engine_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_mongo(engine_uri, f"t_{ObjectId()}") as mongo:
        yield Desk(mongo, tmp_path_factory.mktemp("undo"))  # the database goes with the engine


def run(mongo_desk: Desk, doing: list[Do]) -> None:
    world = World(mongo_desk)
    for thing in [Do("create", 1, 1), Do("create", 2, "x"), *doing]:
        world.do(thing)
    for done in reversed(list(world.done)):  # and at the end everything, the newest first
        world.undo(done)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, print_blob=False)
@given(st.lists(things, min_size=4, max_size=20))
def test_what_was_not_touched_since_is_as_it_was_and_the_rest_is_reported(desk: Desk, doing: list[Do]) -> None:
    run(desk, doing)


@pytest.mark.real
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # each step talks to a server: made smaller by hand, if need be
)
@given(st.lists(things, min_size=4, max_size=40))
def test_the_same_with_many_more(desk: Desk, doing: list[Do]) -> None:
    run(desk, doing)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(things.filter(lambda do: not do.what.startswith(("outside", "undo"))), min_size=3, max_size=15))
def test_undone_newest_first_everything_is_as_it_was(desk: Desk, doing: list[Do]) -> None:
    world = World(desk)
    world.do(Do("create", 1, 1))
    states = []
    for thing in doing:
        before, number = world.state(), len(world.done)
        world.do(thing)
        if len(world.done) > number:
            states.append((world.done[-1], before))
    for done, before in reversed(states):
        undoer = desk.undoer()
        result = undoer.undo(undoer.plan(done.op))
        assert set(result.fates) == {"undone"}
        now = world.state()
        assert {key: exact(but_time(now[key])) for key in now} == {key: exact(but_time(before.get(key))) for key in now}
