"""Restoring a document brings back what was deleted along with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from datactl.errors import RestoreConflict
from datactl.steps import Step, Watcher
from tests.records.blog import Blog
from tests.records.conftest import make_indexes

Events = Callable[..., list[dict[str, Any]]]


def family(blog: Blog, name: str, posts: int = 2, comments: int = 2) -> tuple[Any, dict[str, set[Any]]]:
    """An author with posts, comments on them and a like of each; and their ids by model."""
    author = blog.make("Author", name=name)
    made: dict[str, set[Any]] = {"Author": {author}, "Post": set(), "Comment": set(), "Like": set()}
    for number in range(posts):
        post = blog.make("Post", title=f"{name} {number}", author=author)
        made["Post"].add(post)
        for _ in range(comments):
            comment = blog.make("Comment", post=post)
            made["Comment"].add(comment)
            made["Like"].add(blog.make("Like", comment=comment))
    return author, made


def test_a_group_comes_back_whole_under_one_operation(blog: Blog, events: Events) -> None:
    author, made = family(blog, "a")
    before = {model: list(blog.mongo.collection(model.lower() + "s").find().sort("_id")) for model in made}
    deleted = blog.Author.soft_delete(author)
    change = blog.Author.restore(author, reason="back")
    assert change.along == {"Post": {"restored": 2}, "Comment": {"restored": 4}, "Like": {"restored": 4}}
    assert change.deleted_by == deleted.op
    for model, documents in before.items():
        now = list(blog.mongo.collection(model.lower() + "s").find().sort("_id"))
        plain = [{name: value for name, value in each.items() if name not in ("deleted", "updatedAt")} for each in now]
        assert plain == documents
        assert {each["deleted"] for each in now} == {False}
    rows = events(op=change.op)
    assert len(rows) == 11
    assert {row["reason"] for row in rows} == {"back"}
    row = blog.mongo.collection("datactl_ops").find_one({"_id": change.op})
    assert row is not None
    assert (row["kind"], row["state"], row["detail"]["group"]) == ("restore", "done", deleted.op)


def test_only_this_one_and_the_rest_later(blog: Blog) -> None:
    author, made = family(blog, "a")
    blog.Author.soft_delete(author)
    assert blog.Author.restore(author, only=True).along == {}
    assert blog.live("Author") == {author}
    assert blog.live("Post") == set()
    change = blog.Author.restore(author)
    assert not change.changed
    assert change.along["Post"] == {"restored": 2}
    assert blog.live("Like") == made["Like"]


def test_of_several_groups_of_one_operation_only_its_own(blog: Blog) -> None:
    first, made = family(blog, "a")
    second, _ = family(blog, "b")
    result = blog.Author.soft_delete_many(ids=[first, second])
    blog.Author.restore(first)
    for model, ids in made.items():
        assert blog.live(model) == ids
    assert blog.group(result.op) == {"Author": 1, "Post": 2, "Comment": 4, "Like": 4}


def test_a_child_brings_back_what_hangs_on_it_and_not_its_parent(blog: Blog) -> None:
    author, made = family(blog, "a", posts=1)
    deleted = blog.Author.soft_delete(author)
    (post,) = made["Post"]
    with pytest.raises(RestoreConflict, match="restore it first"):
        blog.Post.restore(post)
    assert blog.live("Comment") == set()
    blog.Author.restore(author, only=True)
    blog.Post.restore(post)
    assert blog.live("Comment") == made["Comment"]
    assert blog.group(deleted.op) == {}


def test_what_was_deleted_before_stays_deleted(blog: Blog) -> None:
    author, made = family(blog, "a")
    first = next(iter(made["Post"]))
    blog.Post.soft_delete(first)
    blog.Author.soft_delete(author)
    blog.Author.restore(author)
    assert blog.live("Post") == made["Post"] - {first}
    assert len(blog.live("Comment")) == 2


def test_who_belongs_to_another_deleted_one_too_stays_with_that(blog: Blog) -> None:
    first, second = blog.make("Author", name="a"), blog.make("Author", name="b")
    post = blog.make("Post", title="p", author=first)
    both = blog.make(
        "Comment", post=post, answers=blog.make("Comment", post=blog.make("Post", title="q", author=second))
    )
    like = blog.make("Like", comment=both)
    blog.Author.soft_delete_many(ids=[first, second])
    blog.Author.restore(first)
    assert blog.live("Post") == {post}
    assert blog.live("Comment") == set()
    assert blog.live("Like") == set()
    blog.Author.restore(second)
    assert both in blog.live("Comment")
    assert blog.live("Like") == {like}


def test_cycles_and_references_among_the_group_are_no_conflict(blog: Blog) -> None:
    first, second = blog.make("Author", name="1"), blog.make("Author", name="2", mentor=None)
    blog.mongo.collection("authors").update_one({"_id": first}, {"$set": {"mentor": second}})
    blog.mongo.collection("authors").update_one({"_id": second}, {"$set": {"mentor": first}})
    one, two = blog.make("Post", title="1", author=first), blog.make("Post", title="2", author=second)
    blog.mongo.collection("posts").update_one({"_id": one}, {"$set": {"related": two}})
    blog.mongo.collection("posts").update_one({"_id": two}, {"$set": {"related": one}})
    blog.Author.soft_delete(first)
    assert blog.live("Post") == set()
    blog.Author.restore(first)
    assert blog.live("Author") == {first, second}
    assert blog.live("Post") == {one, two}


def test_conflicts_of_the_whole_group_and_nothing_is_changed(blog: Blog, events: Events) -> None:
    make_indexes(blog.Author)
    make_indexes(blog.Post)
    author, _ = family(blog, "a")
    deleted = blog.Author.soft_delete(author)
    taken = [blog.make("Post", title=f"a {number}") for number in range(2)]
    blog.make("Author", name="a")
    count = len(events())
    with pytest.raises(RestoreConflict) as caught:
        blog.Author.restore(author)
    assert sorted(problem.code for problem in caught.value.problems) == ["unique_taken"] * 3
    assert {problem.where.split()[0] for problem in caught.value.problems} == {"Author", "Post"}
    assert len(events()) == count
    assert blog.group(deleted.op)["Author"] == 1
    assert blog.live("Post") == set(taken)
    assert blog.Author.restore(author, set={"name": "another"}, only=True).changed


def test_emptied_references_are_told(blog: Blog) -> None:
    author = blog.make("Author", name="a")
    badge = blog.make("Badge", name="b", owners=[author])
    deleted = blog.Author.soft_delete(author)
    change = blog.Author.restore(author)
    assert (change.emptied, change.deleted_by) == ({"Badge": 1}, deleted.op)
    assert blog.Badge.find_by_id(badge)["owners"] == []


class Stops(Watcher):
    """Asks to stop once the document is back."""

    back = False

    def see(self, step: Step) -> None:
        self.back = self.back or step.name == "root"

    def stopping(self) -> bool:
        return self.back


def test_stopped_and_run_again(blog: Blog) -> None:
    author, made = family(blog, "a")
    blog.Author.soft_delete(author)
    op = blog.Author.restore(author, watch=Stops()).op
    assert blog.live("Author") == {author}
    assert blog.live("Post") == set()
    change = blog.Author.restore(author)
    assert change.op == op
    for model, ids in made.items():
        assert blog.live(model) == ids
    row = blog.mongo.collection("datactl_ops").find_one({"_id": op})
    assert row is not None
    assert (row["state"], row["counts"]["changed"]) == ("done", 1)
