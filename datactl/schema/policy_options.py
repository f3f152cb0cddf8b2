"""The options of a model's policies: marks, archive, access, aggregations, events."""

from __future__ import annotations

from typing import Any

from datactl.schema.shapes import WRONG, Choice, Free, Many, Option, Record, Shape, Text, Whole
from datactl.yamlfile.report import Node, Report

LABEL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
ACTIONS = ("read", "create", "update", "delete", "restore", "archive", "export", "history", "*")
EVENTS = ("created", "updated", "deleted", "restored", "archived")
STORAGE_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
DELETED_BY_TYPES = ("mixed", "string", "objectId")

MARK_OPTIONS: tuple[Option, ...] = (
    Option("deleted", "deleted", "True: the document is deleted.", Text("a field's name"), "deleted"),
    Option("deletedAt", "deleted_at", "When it was deleted.", Text("a field's name"), "deletedAt"),
    Option("deletedBy", "deleted_by", "Who deleted it.", Text("a field's name"), "deletedBy"),
    Option("deleteReason", "delete_reason", "Why it was deleted.", Text("a field's name"), "deleteReason"),
    Option("deletedOp", "deleted_op", "The operation that deleted it.", Text("a field's name"), "deletedOp"),
    Option(
        "deletedByType",
        "deleted_by_type",
        "The type of `deletedBy`, where the application has one. An actor that is no ObjectId is left out of an "
        "`objectId` mark (the event and the ledger name it): Mongoose would refuse the document.",
        Choice(DELETED_BY_TYPES),
        "mixed",
    ),
)
MARKS = Record(MARK_OPTIONS, "a mapping from marks to names of fields, and the type of one of them")

SELECT_OPTIONS: tuple[Option, ...] = (
    Option("by", "by", "The date that a document's age counts from.", Text("a field's path"), example="by: closedAt"),
    Option("where", "where", "A filter: only what matches is archived.", Free("a filter"), aliases=("filter",)),
)
TIER_OPTIONS: tuple[Option, ...] = (
    Option("coldAfter", "cold_after", "The age at which archived documents go to cold storage.", Whole(0, "days"), 181),
    Option("warmClass", "warm_class", "The storage class before.", Choice(STORAGE_CLASSES), "STANDARD_IA"),
    Option("coldClass", "cold_class", "The storage class after.", Choice(STORAGE_CLASSES), "GLACIER"),
)
ARCHIVE_OPTIONS: tuple[Option, ...] = (
    Option(
        "after",
        "after",
        "The age, counted from deletion, at which a document leaves MongoDB for the vault.",
        Whole(0, "days"),
        shown_default="ARCHIVE_RETENTION_DAYS, 90",
        example="after: 30",
    ),
    Option("select", "select", "Archive live documents by age.", Record(SELECT_OPTIONS, required=("by",))),
    Option("tiers", "tiers", "Where archived documents lie on S3.", Record(TIER_OPTIONS)),
)

ACCESS_OPTIONS: tuple[Option, ...] = (
    Option("actions", "actions", "What the role may do.", Many(Choice(ACTIONS), least=1, single=True)),
    Option("rows", "rows", "A filter: the role sees and changes only what matches.", Free("a filter")),
)
ACCESS = Record(
    ACCESS_OPTIONS,
    "a list of actions, or a mapping",
    required=("actions",),
)

AGGREGATION_OPTIONS: tuple[Option, ...] = (
    Option("pipeline", "pipeline", "The stages; none may write or run JavaScript.", Many(Free("a stage"), least=1)),
    Option("description", "description", "What it answers, for people.", Text()),
)
AGGREGATION = Record(AGGREGATION_OPTIONS, "a list of stages, or a mapping", required=("pipeline",))

HANDLER_OPTIONS: tuple[Option, ...] = (
    Option(
        "on",
        "on",
        "The events: created, updated, deleted, restored, archived, or in full (`ProductCreated`).",
        Many(Text("an event", r"[A-Za-z][A-Za-z0-9_]*"), least=1, single=True),
        shown_default="all of them",
    ),
    Option(
        "call",
        "call",
        "The Python function that gets them.",
        Text("module:function", r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"),
        example="call: shop.events:mail",
    ),
)
EVENT_OPTIONS: tuple[Option, ...] = (
    Option(
        "handlers",
        "handlers",
        "Functions called with the model's events.",
        Many(Record(HANDLER_OPTIONS, "a mapping with call", required=("call",))),
    ),
    Option(
        "sinks",
        "sinks",
        "The sinks that the model's events go to, beside the log.",
        Many(Text("the name of a sink", LABEL)),
        shown_default="every one that is configured",
    ),
)


class OrList(Shape):
    """A record, or its main option alone as a list (or as one word, where the option takes one)."""

    def __init__(self, record: Record, main: str) -> None:
        self.record = record
        self.main = record.by_name()[main]
        self.words = record.words

    def read(self, node: Node, report: Report) -> Any:
        if node.is_mapping:
            return self.record.read(node, report)
        found = self.main.shape.read(node, report)
        return found if found is WRONG else {self.main.python: found}

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.main.shape.schema(), self.record.schema()]}
