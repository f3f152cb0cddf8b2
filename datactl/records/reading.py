"""Reading: finding, counting and paging through documents, without their secret fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from bson.regex import Regex
from pymongo.collection import Collection

from datactl.errors import FilterError, NotFound, UsageError
from datactl.events import without_secrets
from datactl.mongo import Document, Mongo, mapping_errors
from datactl.records.cursors import Position, read_cursor, write_cursor
from datactl.records.explaining import Explanation, explain
from datactl.records.keyset import after as following
from datactl.records.keyset import values_of
from datactl.records.marks import both, is_marked, live, marked
from datactl.records.results import Page, pages_of
from datactl.records.sorting import Sort, parse_sort, total_order
from datactl.schema import Model

Filter: TypeAlias = Mapping[str, Any]
SortGiven: TypeAlias = str | Sequence[tuple[str, int]]
Projection: TypeAlias = Mapping[str, Any] | Sequence[str]

LIMIT_AT_MOST = 1000


class Reader:
    """The reading half of a repository. A `filter` is MongoDB's own, from your code; see `parse_filter` for others'.

    Secret fields are left out of every answer unless `reveal=True`.
    """

    def __init__(self, model: Model, mongo: Mongo) -> None:
        self.model = model
        self.mongo = mongo

    @property
    def collection(self) -> Collection[Document]:
        return self.mongo.collection(self.model.collection)

    # -- find ----------------------------------------------------------------------------------------------------------

    def find(
        self,
        filter: Filter | None = None,
        *,
        sort: SortGiven | None = None,
        limit: int | None = None,
        projection: Projection | None = None,
        reveal: bool = False,
    ) -> Iterator[Document]:
        """Live documents, as the server sends them. `projection` as MongoDB's: what to show, or to leave out."""
        return self._find(both(filter or {}, live(self.model)), sort, limit, projection, reveal)

    def find_active(self, filter: Filter | None = None, **options: Any) -> Iterator[Document]:
        """The same as `find`, by the name that says so."""
        return self.find(filter, **options)

    def find_deleted(
        self,
        filter: Filter | None = None,
        *,
        sort: SortGiven | None = None,
        limit: int | None = None,
        projection: Projection | None = None,
        reveal: bool = False,
    ) -> Iterator[Document]:
        """Documents that are marked deleted."""
        return self._find(both(filter or {}, marked(self.model)), sort, limit, projection, reveal)

    def find_with_deleted(
        self,
        filter: Filter | None = None,
        *,
        sort: SortGiven | None = None,
        limit: int | None = None,
        projection: Projection | None = None,
        reveal: bool = False,
    ) -> Iterator[Document]:
        """Documents, deleted or not."""
        return self._find(filter or {}, sort, limit, projection, reveal)

    def find_by_id(self, id: Any, *, include_deleted: bool = False, reveal: bool = False) -> Document:
        """One document. BadId, NotFound (also for a deleted one, unless `include_deleted`)."""
        wanted = self.model.parse_id(id)
        query = {"_id": {"$eq": wanted} if isinstance(wanted, Mapping) else wanted}
        with mapping_errors(f"reading {self.model.collection}"):
            document = self.collection.find_one(query)
        if document is None or (is_marked(self.model, document) and not include_deleted):
            raise self._not_there(wanted, deleted=document is not None)
        return document if reveal else self.hide(document)

    def count(self, filter: Filter | None = None, *, include_deleted: bool = False) -> int:
        query = dict(filter or {}) if include_deleted else both(filter or {}, live(self.model))
        with mapping_errors(f"counting {self.model.collection}"):
            return self.collection.count_documents(query)

    def explain(
        self,
        filter: Filter | None = None,
        *,
        sort: SortGiven | None = None,
        limit: int | None = None,
        include_deleted: bool = False,
    ) -> Explanation:
        """How the server finds these documents: plan, keys and documents examined, and the index that would serve."""
        query = dict(filter or {}) if include_deleted else both(filter or {}, live(self.model))
        return explain(self.mongo, self.model, query, parse_sort(self.model, sort), limit)

    # -- pages ---------------------------------------------------------------------------------------------------------

    def find_with_pagination(
        self,
        filter: Filter | None = None,
        *,
        page: int = 1,
        limit: int = 20,
        sort: SortGiven | None = None,
        search: str | None = None,
        include_deleted: bool = False,
        after: str | None = None,
        role: str | None = None,
        projection: Projection | None = None,
        reveal: bool = False,
    ) -> Page:
        """One page, by its number or `after` a cursor: the `next_cursor` of the page before.

        A cursor's page costs the same however deep it is; it works for the same filter, sort, search and `role` only.
        Its `total` is the first page's. UsageError, FilterError.
        """
        if page < 1:
            raise UsageError(f"there is no page {page}", next="pages are counted from 1")
        if not 1 <= limit <= LIMIT_AT_MOST:
            raise UsageError(f"a page cannot hold {limit} documents", next=f"ask for 1 to {LIMIT_AT_MOST}")
        order = total_order(parse_sort(self.model, sort))
        query = dict(filter or {}) if include_deleted else both(filter or {}, live(self.model))
        meta: dict[str, Any] = {}
        if search:
            condition, meta["search"] = self._search(search)
            query = both(query, condition)
        question = {"model": self.model.name, "filter": query, "sort": [list(each) for each in order], "role": role}
        fields, left_out = self._paged_fields(projection, reveal, [path for path, _ in order])
        with mapping_errors(f"reading {self.model.collection}"):
            if after is None:
                total = self.collection.count_documents(query)
                at = Position((), page - 1, total)
                skip = (page - 1) * limit
                rows = self._rows(query, order, limit, fields, skip) if skip < total else []
                has_next = page * limit < total
            else:
                at = read_cursor(self.mongo.cursor_key, question, after)
                rows = self._following(query, order, at.values, limit + 1, fields)
                has_next = len(rows) > limit
                rows = rows[:limit]
        cursor = None
        if has_next and rows:
            here = Position(tuple(values_of(order, rows[-1])), at.page + 1, at.total)
            cursor = write_cursor(self.mongo.cursor_key, question, here)
        if left_out:  # the cursor is made of the row as it is
            rows = [without_secrets(row, left_out) for row in rows]
        return Page(
            data=tuple(rows if reveal else map(self.hide, rows)),
            page=at.page + 1,
            pages=pages_of(at.total, limit),
            total=at.total,
            has_next=has_next,
            has_prev=at.page > 0,
            next_cursor=cursor,
            meta=meta,
        )

    def _following(self, query: Filter, order: Sort, values: Sequence[Any], limit: int, fields: Any) -> list[Document]:
        """What comes after these values: mostly two short questions, the rest of the equals and what is beyond."""
        rows: list[Document] = []
        for part in following(order, values):
            rows += self._rows(both(query, part), order, limit - len(rows), fields)
            if len(rows) == limit:
                break
        return rows

    def _rows(
        self, query: Filter, order: Sequence[tuple[str, int]], limit: int, fields: Any, skip: int = 0
    ) -> list[Document]:
        # One batch: a cursor that is read to its end needs no second round trip.
        return list(self.collection.find(query, fields, sort=list(order), limit=limit, skip=skip, batch_size=limit + 1))

    def _search(self, text: str) -> tuple[dict[str, Any], str]:
        """The condition of a full-text search, and how it is done: `text` by an index, `regex` without one."""
        paths = self.model.text_search_fields
        if not paths:
            raise UsageError(
                f"{self.model.name} cannot be searched", next="declare its textSearchFields, or filter: field~text"
            )
        if self._text_index:
            return {"$text": {"$search": text}}, "text"
        if "\0" in text:
            raise FilterError("a text to look for cannot contain the character NUL")
        pattern = {"$regex": Regex(re.escape(text), "i")}
        return ({paths[0]: pattern} if len(paths) == 1 else {"$or": [{path: pattern} for path in paths]}), "regex"

    @cached_property
    def _text_index(self) -> bool:
        if not self.mongo.capabilities.text_index:
            return False
        with mapping_errors(f"reading the indexes of {self.model.collection}"):
            return any("textIndexVersion" in index for index in self.collection.list_indexes())

    # -- what is shown -------------------------------------------------------------------------------------------------

    def hide(self, document: Document) -> Document:
        """The document without its secret fields."""
        return without_secrets(document, self.model.secret_paths) if self.model.secret_paths else document

    def _find(
        self, query: Filter, sort: SortGiven | None, limit: int | None, projection: Projection | None, reveal: bool
    ) -> Iterator[Document]:
        order = parse_sort(self.model, sort)
        fields = self._fields(projection, reveal)
        if limit is not None and limit < 0:
            raise UsageError(f"cannot show {limit} documents")
        return self._iterate(query, order, limit, fields, reveal)

    def _iterate(
        self, query: Filter, order: Sequence[tuple[str, int]], limit: int | None, fields: Any, reveal: bool
    ) -> Iterator[Document]:
        if limit == 0:
            return
        with mapping_errors(f"reading {self.model.collection}"):
            for document in self.collection.find(query, fields, sort=list(order) or None, limit=limit or 0):
                yield document if reveal else self.hide(document)

    def _fields(self, projection: Projection | None, reveal: bool, also: Iterable[str] = ()) -> dict[str, Any] | None:
        """What the server is asked for: secret fields do not leave it where it can leave them out."""
        if projection is None:
            return dict.fromkeys(_outermost(self.model.secret_paths), 0) or None if not reveal else None
        asked = dict(projection) if isinstance(projection, Mapping) else dict.fromkeys(projection, 1)
        if not reveal:
            for path, shown in asked.items():
                if not isinstance(shown, int) or shown not in (0, 1):  # "$token" would show a secret by another name
                    raise FilterError(
                        f"a projection shows a field (1) or leaves it out (0): {path} is neither",
                        next="reveal=True takes any projection, in Python",
                    )
                if shown and self.model.is_secret(path):
                    raise FilterError(f"{self.model.name}.{path} is secret", next="reveal=True shows it, in Python")
        if any(shown for path, shown in asked.items() if path != "_id" or len(asked) == 1):
            return {**asked, **dict.fromkeys((path for path in also if not _is_within(path, asked)), 1)}
        return asked

    def _paged_fields(
        self, projection: Projection | None, reveal: bool, order: Sequence[str]
    ) -> tuple[dict[str, Any] | None, frozenset[str]]:
        """What the server is asked for, with all that the rows are ordered by; and what of it is not to be shown."""
        fields = self._fields(projection, reveal, also=order) or {}
        for path in order:
            if isinstance(fields.get(path), str | Mapping | list):
                raise FilterError(f"the projection shows something else as {path}, by which the page is sorted")
        hides = {name for name, shown in fields.items() if not shown}
        left_out = frozenset(name for name in hides if any(_is_within(path, (name,)) for path in order))
        asked = {name: shown for name, shown in fields.items() if name not in left_out}
        if left_out and not any(shown for name, shown in asked.items() if name != "_id"):
            asked = {name: shown for name, shown in asked.items() if not shown} or self._fields(None, reveal) or {}
        return asked or None, left_out

    def _not_there(self, id: Any, *, deleted: bool) -> NotFound:
        if deleted:
            return NotFound(
                f"{self.model.name} {id} is deleted", next=f"bring it back: datactl restore {self.model.name} {id}"
            )
        return NotFound(f"{self.model.name} {id} is not there", next=f"datactl archive find {self.model.name} {id}")


def _is_within(path: str, others: Iterable[str]) -> bool:
    """Whether one of the paths shows this one as well: the server refuses to be told both."""
    return any(path == other or path.startswith(f"{other}.") for other in others)


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    """The paths that the server can leave out: none inside another, none through the values of a map (`$*`)."""
    known = sorted(path for path in paths if "$*" not in path.split("."))
    for path in known:
        if not any(path.startswith(f"{other}.") for other in known):
            yield path
