"""A blog whose models refer to each other in every way that `onDelete` knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.schema import parse_models

BLOG = """
models:
  Author:
    uniqueFields: [name]
    fields:
      name: {type: string, required: true}
      mentor: {type: objectId, ref: Author, onDelete: cascade}
  Category:
    fields:
      name: string
  Post:
    uniqueFields: [title]
    fields:
      title: string
      author: {type: objectId, ref: Author, onDelete: cascade}
      category: {type: objectId, ref: Category, onDelete: nullify}
      related: {type: objectId, ref: Post}
  Comment:
    fields:
      text: string
      post: {type: objectId, ref: Post, onDelete: cascade}
      answers: {type: objectId, ref: Comment, onDelete: cascade}
      by: {type: objectId, ref: Author, onDelete: restrict}
  Like:
    fields:
      comment: {type: objectId, ref: Comment, onDelete: cascade}
  Invoice:
    fields:
      number: int
      comment: {type: objectId, ref: Comment, onDelete: restrict}
  Badge:
    fields:
      name: string
      owners: {type: array, items: objectId, ref: Author, onDelete: nullify}
      seen:
        - who: {type: objectId, ref: Author, onDelete: nullify}
          times: int
"""

MODELS = parse_models(BLOG)
Make = Callable[..., Repository]


class Blog:
    """The repositories by their model (`blog.Post`), and what stands in their collections."""

    def __init__(self, mongo: Mongo, make: Make) -> None:
        self.mongo = mongo
        self._repositories = {name: make(name) for name in MODELS}

    def __getattr__(self, name: str) -> Repository:
        return self._repositories[name]

    def make(self, model: str, **values: Any) -> Any:
        """A live document, written as an application would; its `_id`."""
        return self.mongo.collection(MODELS[model].collection).insert_one(values).inserted_id

    def live(self, model: str) -> set[Any]:
        return {row["_id"] for row in self.mongo.collection(MODELS[model].collection).find({"deleted": {"$ne": True}})}

    def group(self, op: str) -> dict[str, int]:
        """How many documents of each model carry the mark of an operation."""
        counts = {
            name: self.mongo.collection(model.collection).count_documents({"deletedOp": op, "deleted": True})
            for name, model in MODELS.items()
        }
        return {name: count for name, count in counts.items() if count}
