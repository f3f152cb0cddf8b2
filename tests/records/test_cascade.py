"""Deleting documents to which others refer: restrict, cascade, nullify."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from datactl.errors import PreconditionFailed, Restricted
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.schema import parse_models
from datactl.steps import Step, Watcher, When
from tests.records.blog import Blog

Events = Callable[..., list[dict[str, Any]]]


class Meanwhile(Watcher):
    """Does something once, at the n-th announcement of a step."""

    def __init__(self, name: str, when: When, act: Callable[[], Any], nth: int = 1) -> None:
        self._at = (name, when)
        self._act = act
        self._left = nth
        self.seen: list[str] = []

    def see(self, step: Step) -> None:
        self.seen.append(f"{step.name} {step.when}")
        if (step.name, step.when) == self._at:
            self._left -= 1
            if self._left == 0:
                self._act()


def test_a_group_shares_time_and_operation(blog: Blog, events: Events) -> None:
    author = blog.make("Author", name="a")
    posts = [blog.make("Post", title=f"p{n}", author=author) for n in range(3)]
    comments = [blog.make("Comment", post=post) for post in posts for _ in range(2)]
    like = blog.make("Like", comment=comments[0])
    other = blog.make("Post", title="other", author=blog.make("Author", name="b"))
    change = blog.Author.soft_delete(author, reason="gone")
    assert change.changed
    assert change.along == {"Post": {"deleted": 3}, "Comment": {"deleted": 6}, "Like": {"deleted": 1}}
    assert blog.group(change.op) == {"Author": 1, "Post": 3, "Comment": 6, "Like": 1}
    assert blog.live("Post") == {other}
    rows = events(op=change.op)
    assert len(rows) == 11
    assert {row["createdAt"] for row in rows} == {blog.Like.find_by_id(like, include_deleted=True)["deletedAt"]}
    assert {(row["actor"], row["reason"]) for row in rows} == {("ann", "gone")}
    (row,) = blog.mongo.collection("datactl_ops").find()
    assert (row["_id"], row["kind"], row["state"], row["detail"]["along"]) == (
        change.op,
        "soft_delete",
        "done",
        change.along,
    )


def test_cycles_and_self_references_end(blog: Blog) -> None:
    first, second = blog.make("Author", name="1"), blog.make("Author", name="2")
    alone = blog.make("Author", name="3")
    authors = blog.mongo.collection("authors")
    authors.update_one({"_id": first}, {"$set": {"mentor": second}})
    authors.update_one({"_id": second}, {"$set": {"mentor": first}})
    authors.update_one({"_id": alone}, {"$set": {"mentor": alone}})
    change = blog.Author.soft_delete(first)
    assert blog.group(change.op) == {"Author": 2}
    assert change.along == {"Author": {"deleted": 1}}
    assert blog.Author.soft_delete(alone).along == {}
    assert blog.live("Author") == set()


def test_restrict_names_the_field_the_number_and_one_of_them(blog: Blog, events: Events) -> None:
    author = blog.make("Author", name="a")
    comments = [blog.make("Comment", by=author) for _ in range(3)]
    with pytest.raises(Restricted, match="3 live Comment documents refer to it, by by") as caught:
        blog.Author.soft_delete(author)
    assert caught.value.details == {"edge": "Comment.by", "found": 3}
    assert str(comments[0]) in caught.value.problems[0].what
    assert blog.live("Author") == {author}
    assert events() == []
    assert blog.mongo.collection("datactl_ops").count_documents({}) == 0
    for each in comments:
        blog.Comment.soft_delete(each)
    assert blog.Author.soft_delete(author).changed


def test_restrict_deeper_down_refuses_the_root_before_anything_is_marked(blog: Blog, events: Events) -> None:
    author = blog.make("Author", name="a")
    comment = blog.make("Comment", post=blog.make("Post", title="p", author=author))
    invoice = blog.make("Invoice", number=1, comment=comment)
    with pytest.raises(Restricted, match=f"Comment {comment}, which would go along") as caught:
        blog.Author.soft_delete(author)
    assert str(invoice) in str(caught.value)
    assert blog.live("Author") == {author}
    assert events() == []


def test_what_restricts_and_goes_along_is_no_obstacle(blog: Blog) -> None:
    author = blog.make("Author", name="a")
    post = blog.make("Post", title="p", author=author)
    blog.make("Comment", post=post, by=author)
    change = blog.Author.soft_delete(author)
    assert blog.group(change.op) == {"Author": 1, "Post": 1, "Comment": 1}


def test_of_many_those_that_are_restricted_stay_and_those_that_depend_on_them(blog: Blog, events: Events) -> None:
    """`held` is held from outside; `between` only by a comment that goes along with it if `held` goes: it does not."""
    free, held, between = (blog.make("Author", name=name) for name in ("free", "held", "between"))
    post = blog.make("Post", title="p", author=held)
    blog.make("Invoice", number=1, comment=blog.make("Comment", post=post, by=between))
    blog.make("Post", title="q", author=free)
    plan = blog.Author.plan_soft_delete({})
    assert (plan.matching, plan.restricted, plan.along) == (3, 2, {"Post": 1})
    assert plan.restricted_by == ("Comment.by", "Invoice.comment")
    result = blog.Author.soft_delete_many(filter={})
    assert (result.matched, result.changed, result.failures) == (3, 1, 2)
    assert {problem.where for problem in result.failed} == {str(held), str(between)}
    assert {problem.code for problem in result.failed} == {"restricted"}
    assert blog.live("Author") == {held, between}
    assert blog.group(result.op) == {"Author": 1, "Post": 1}


def test_nullify(blog: Blog, events: Events) -> None:
    author, other = blog.make("Author", name="a"), blog.make("Author", name="b")
    badge = blog.make(
        "Badge", name="b", owners=[other, author], seen=[{"who": author, "times": 1}, {"who": other, "times": 2}]
    )
    category = blog.make("Category", name="c")
    post = blog.make("Post", title="p", category=category, author=other)
    assert blog.Author.plan_soft_delete({"name": "a"}).emptied == {"Badge.owners": 1, "Badge.seen.who": 1}
    change = blog.Author.soft_delete(author)
    stored = blog.Badge.find_by_id(badge)
    assert (stored["owners"], stored["seen"]) == ([other], [{"times": 1}, {"who": other, "times": 2}])
    assert change.along == {"Badge": {"emptied": 2}}
    rows = events(op=change.op, aggregate="Badge")
    assert [row["eventType"] for row in rows] == ["BadgeUpdated", "BadgeUpdated"]
    assert rows[0]["payload"]["before"]["owners"] == [other, author]
    assert blog.Category.soft_delete(category).along == {"Post": {"emptied": 1}}
    assert "category" not in blog.Post.find_by_id(post)


def test_what_comes_in_between_is_taken_along(blog: Blog) -> None:
    """After the survey, and after the first pass over the posts."""
    author = blog.make("Author", name="a")
    post = blog.make("Post", title="p", author=author)
    late: list[Any] = []
    watch = Meanwhile("cascade", When.AFTER, lambda: late.append(blog.make("Post", title="late", author=author)))
    change = blog.Author.soft_delete(author, watch=watch)
    assert blog.group(change.op) == {"Author": 1, "Post": 2}
    assert late
    assert blog.live("Post") == set()
    assert post not in late


def test_what_restricts_and_came_in_between_takes_the_mark_back(blog: Blog, events: Events) -> None:
    author = blog.make("Author", name="a")
    posts = [blog.make("Post", title=f"p{n}", author=author) for n in range(3)]
    watch = Meanwhile("cascade", When.AFTER, lambda: blog.make("Comment", by=author))
    with pytest.raises(Restricted, match="1 live Comment document refers to it"):
        blog.Author.soft_delete(author, watch=watch)
    assert blog.live("Author") == {author}
    assert blog.live("Post") == set(posts)
    kinds = [row["eventType"] for row in events(aggregateId=author)]
    assert kinds == ["AuthorDeleted", "AuthorRestored"]
    (row,) = blog.mongo.collection("datactl_ops").find()
    assert (row["state"], row["counts"]["changed"], row["counts"]["failed"]) == ("done", 0, 1)
    assert row["detail"]["along"] == {"Post": {"deleted": 3, "takenBack": 3}}


def test_deeper_down_it_takes_back_what_hangs_together_and_no_more(blog: Blog, events: Events) -> None:
    held, free = blog.make("Author", name="held"), blog.make("Author", name="free")
    post = blog.make("Post", title="p", author=held)
    comment, other = blog.make("Comment", post=post), blog.make("Comment", post=post)
    free_post = blog.make("Post", title="q", author=free)
    watch = Meanwhile("cascade", When.AFTER, lambda: blog.make("Invoice", number=1, comment=comment), nth=2)
    result = blog.Author.soft_delete_many(filter={}, watch=watch)
    assert (result.changed, result.failures) == (1, 1)
    assert (result.failed[0].where, result.failed[0].code) == (str(held), "restricted")
    assert blog.live("Author") == {held}
    assert blog.live("Post") == {post}
    assert blog.live("Comment") == {comment, other}
    assert blog.group(result.op) == {"Author": 1, "Post": 1}
    assert free_post not in blog.live("Post")


def test_looked_at_in_the_marking_transaction(blog: Blog, events: Events) -> None:
    """It came after the survey and before the mark: nothing is marked."""
    author = blog.make("Author", name="a")
    watch = Meanwhile("ledger.open", When.BEFORE, lambda: blog.make("Comment", by=author))
    with pytest.raises(Restricted):
        blog.Author.soft_delete(author, watch=watch)
    assert events() == []
    assert blog.live("Author") == {author}


def test_stopped_and_resumed(blog: Blog) -> None:
    author = blog.make("Author", name="a")
    for number in range(3):
        post = blog.make("Post", title=f"p{number}", author=author)
        blog.make("Comment", post=post)

    class Stops(Watcher):
        def stopping(self) -> bool:
            return bool(blog.mongo.collection("authors").count_documents({"deleted": True}))

    result = blog.Author.soft_delete_many(ids=[author], watch=Stops())
    assert result.stopped
    assert blog.group(result.op) == {"Author": 1}
    ended = blog.Author.resume_bulk(result.op)
    assert not ended.stopped
    assert blog.group(result.op) == {"Author": 1, "Post": 3, "Comment": 3}
    assert ended.along == {"Post": {"deleted": 3}, "Comment": {"deleted": 3}}


def test_the_same_command_again_finishes_what_was_stopped(blog: Blog) -> None:
    author = blog.make("Author", name="a")
    blog.make("Post", title="p", author=author)

    class Stops(Watcher):
        def stopping(self) -> bool:
            return bool(blog.mongo.collection("authors").count_documents({"deleted": True}))

    result = blog.Author.soft_delete_many(ids=[author], watch=Stops())
    assert blog.live("Post")
    assert not blog.Author.soft_delete(author).changed
    assert blog.group(result.op) == {"Author": 1, "Post": 1}
    (row,) = blog.mongo.collection("datactl_ops").find({"_id": result.op})
    assert row["state"] == "done"


def test_a_precondition(blog: Blog) -> None:
    author = blog.make("Author", name="a")
    etag = blog.Author.etag(author)
    blog.mongo.collection("authors").update_one({"_id": author}, {"$set": {"name": "b"}})
    with pytest.raises(PreconditionFailed):
        blog.Author.soft_delete(author, if_match=etag)
    assert blog.Author.soft_delete(author, if_match=blog.Author.etag(author)).changed


@pytest.mark.parametrize("on_delete", ["cascade", "nullify"])
def test_to_a_parent_whose_id_is_null_nothing_refers(mongo: Mongo, tmp_path: Path, on_delete: str) -> None:
    """A field that is null, or not there, is no reference: MongoDB's `{field: null}` matches both."""
    models = parse_models(
        f"""
models:
  Country: {{fields: {{_id: mixed, name: string}}}}
  City: {{fields: {{country: {{type: mixed, ref: Country, onDelete: {on_delete}}}}}}}
"""
    )
    countries = Repository(models["Country"], mongo, models, spool_dir=tmp_path)
    mongo.collection("countries").insert_many([{"_id": None, "name": "unknown"}, {"_id": 1, "name": "one"}])
    cities = [{"_id": ObjectId()}, {"_id": ObjectId(), "country": None}, {"_id": ObjectId(), "country": 1}]
    mongo.collection("cities").insert_many(cities)
    assert countries.plan_delete({"name": "unknown"}).along == {}
    assert countries.delete_many(filter={"name": "unknown"}).along == {}
    assert list(mongo.collection("cities").find(sort=[("_id", 1)])) == cities
    assert countries.delete_many(filter={"name": "one"}).along == {
        "City": {"deleted" if on_delete == "cascade" else "emptied": 1}
    }
