"""Every option of models.yaml, declared once: what reads the file, its JSON Schema and the docs come from here."""

from __future__ import annotations

import re
from typing import Any

from datactl.schema.policy_options import (
    ACCESS,
    ACCESS_OPTIONS,
    AGGREGATION,
    AGGREGATION_OPTIONS,
    ARCHIVE_OPTIONS,
    EVENT_OPTIONS,
    HANDLER_OPTIONS,
    LABEL,
    MARK_OPTIONS,
    MARKS,
    SELECT_OPTIONS,
    TIER_OPTIONS,
    OrList,
)
from datactl.schema.shapes import WRONG, Anything, Choice, Flag, Free, Many, Named, Option, Record, Shape, Text, Whole
from datactl.yamlfile.report import Node, Report, quoted

NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"

# Words that stand where a model's name can stand: subcommands of `archive`, `index`, `models` ..., and a fixed route.
RESERVED_MODEL_NAMES: tuple[str, ...] = (
    "adopt",
    "all",
    "apply",
    "check",
    "compact",
    "drop",
    "find",
    "gc",
    "help",
    "hold",
    "list",
    "mount",
    "operations",
    "plan",
    "query",
    "rebuild",
    "release",
    "restore",
    "schema",
    "settle",
    "show",
    "verify",
)
RESERVED_COLLECTIONS: tuple[str, ...] = ("outboxes",)  # and whatever begins with datactl_ or system.
MONGOOSE_FIELDS: tuple[str, ...] = ("__v", "__t")  # version and discriminator, kept by Mongoose itself

ON_DELETE = ("restrict", "cascade", "nullify")
INDEX_KINDS: tuple[int | str, ...] = (1, -1, "text", "hashed", "2dsphere", "2d")


class TypeSpec(Anything):
    """The type of a field; read by the field's own reader, since a list or a mapping is a type too."""

    words = "a type (see below), `[type]` for a list of it, or a mapping of fields"

    def schema(self) -> dict[str, Any]:
        return {"$ref": "#/definitions/type"}


class FieldSpec(TypeSpec):
    words = "a field, declared like any other"

    def schema(self) -> dict[str, Any]:
        return {"$ref": "#/definitions/field"}


class FieldSpecs(TypeSpec):
    words = "a mapping from names to fields"

    def schema(self) -> dict[str, Any]:
        return {"$ref": "#/definitions/fields"}


class Pattern(Text):
    """A regular expression that Python can compile."""

    def read(self, node: Node, report: Report) -> Any:
        found = super().read(node, report)
        if isinstance(found, str):
            try:
                re.compile(found)
            except (re.error, RecursionError, OverflowError) as error:
                report.add(node, f"{quoted(found)} is no regular expression: {error}", "bad_pattern")
                return WRONG
        return found


class IndexKind(Shape):
    words = "1, -1, `text`, `hashed`, `2dsphere` or `2d`"

    def read(self, node: Node, report: Report) -> Any:
        if node.value in INDEX_KINDS and not isinstance(node.value, bool | float):
            return node.value
        report.add(node, f"expected {self.words.replace('`', '')}, found {node.shown()}", "bad_index")
        return WRONG

    def schema(self) -> dict[str, Any]:
        return {"enum": list(INDEX_KINDS)}


FIELD_OPTIONS: tuple[Option, ...] = (
    Option("type", "type", "What the field holds.", TypeSpec(), example="{type: string}"),
    Option(
        "required",
        "required",
        "The field must be there, and not null.",
        Flag(),
        default=False,
        example="required: true",
    ),
    Option(
        "ref",
        "ref",
        "The model whose `_id` the field holds; an index on the field follows.",
        Text("the name of a model"),
        example="ref: Category",
    ),
    Option(
        "onDelete",
        "on_delete",
        "What happens to a document when the one it refers to is deleted: `restrict` refuses the deletion, `cascade` "
        "deletes the document too, `nullify` removes the value (docs/repository.md, References).",
        Choice(ON_DELETE),
        shown_default="nothing happens",
        example="onDelete: restrict",
    ),
    Option(
        "default",
        "default",
        "The value given to a new document that lacks the field; `now` for a date.",
        Anything(),
        example="default: draft",
    ),
    Option("enum", "enum", "The values allowed.", Many(Anything(), least=1), example="enum: [draft, published]"),
    Option("min", "min", "The least number or date allowed.", Anything(), example="min: 0"),
    Option("max", "max", "The greatest number or date allowed.", Anything(), example="max: 100"),
    Option(
        "minLength",
        "min_length",
        "The least number of characters of a text, of bytes, or of items of a list.",
        Whole(),
        aliases=("minlength",),
        example="minLength: 1",
    ),
    Option(
        "maxLength",
        "max_length",
        "The greatest number of characters of a text, of bytes, or of items of a list.",
        Whole(),
        aliases=("maxlength",),
        example="maxLength: 200",
    ),
    Option(
        "pattern",
        "pattern",
        "A regular expression that the text must match somewhere; `^` and `$` tie it to the ends.",
        Pattern("a regular expression"),
        aliases=("match",),
        example="pattern: '^[A-Z]{2}$'",
    ),
    Option("immutable", "immutable", "The field cannot change after creation.", Flag(), default=False),
    Option(
        "secret",
        "secret",
        "The field is never shown, filtered, sorted or searched; events carry it encrypted or not at all.",
        Flag(),
        default=False,
    ),
    Option(
        "items",
        "items",
        "For `array` and `map`: what each item, each value is.",
        FieldSpec(),
        aliases=("of",),
        example="{type: array, items: string}",
    ),
    Option("fields", "fields", "For `object`: the fields inside.", FieldSpecs()),
    Option("description", "description", "What the field means, for people.", Text()),
)

FIELD_HINTS = {
    "unique": "list the field in uniqueFields of the model",
    "index": "declare it in indexes of the model",
    "sparse": "declare it in indexes of the model",
    "text": "list the field in textSearchFields of the model",
    "expires": "declare it in indexes of the model, as expireAfterSeconds",
    "select": "secret: true keeps a field from being shown",
    "auto": "an ObjectId or UUID in _id is made when it is missing",
    **dict.fromkeys(
        ("lowercase", "uppercase", "trim", "get", "set", "validate", "alias", "refPath", "cast", "transform"),
        "values are kept as they are given",
    ),
}
FIELD = Record(FIELD_OPTIONS, "a type, a list of one, or a mapping", FIELD_HINTS)

INDEX_OPTIONS: tuple[Option, ...] = (
    Option(
        "fields",
        "fields",
        "The fields of the index in order, each 1 (ascending), -1 (descending), `text`, `hashed`, `2dsphere` or `2d`.",
        Named(IndexKind(), "a mapping from fields to 1 or -1"),
        aliases=("keys",),
    ),
    Option("name", "name", "The index's name.", Text(), shown_default="MongoDB's, like `category_1_price_-1`"),
    Option(
        "unique",
        "unique",
        "No two documents (no two live ones, under soft delete) have the same values.",
        Flag(),
        default=False,
    ),
    Option(
        "partialFilterExpression",
        "partial",
        "Only documents that match are in the index. `{}`: all are, and a unique index is over deleted documents too.",
        Free("a filter"),
        aliases=("partial",),
    ),
    Option("sparse", "sparse", "Only documents that have the fields are in the index.", Flag(), default=False),
    Option(
        "expireAfterSeconds",
        "expire_after_seconds",
        "MongoDB removes documents at this age, without archiving them: not with enableSoftDelete.",
        Whole(),
    ),
    Option("collation", "collation", "The order of its strings.", Free("a collation")),
    Option("weights", "weights", "For a text index: the weight of each field.", Free()),
    Option("hidden", "hidden", "The index is kept but not used.", Flag(), default=False),
    Option("default_language", "default_language", "For a text index: its language.", Text()),
    Option("language_override", "language_override", "For a text index: the field with a document's language.", Text()),
)
INDEX = Record(INDEX_OPTIONS, "a mapping with fields", {"options": "write the options beside fields"}, ("fields",))

MODEL_OPTIONS: tuple[Option, ...] = (
    Option("description", "description", "What the model is, for people.", Text()),
    Option("fields", "fields", "The fields of a document.", FieldSpecs()),
    Option(
        "collection",
        "collection",
        "The collection in MongoDB.",
        Text("the name of a collection"),
        shown_default="Mongoose's plural of the name: `Category` -> `categories`",
    ),
    Option(
        "enableSoftDelete",
        "enable_soft_delete",
        "Deleting marks a document (who, when, why) and keeps it; it can be restored, and is archived at an age.",
        Flag(),
        default=True,
    ),
    Option(
        "enableEventSourcing",
        "enable_event_sourcing",
        "Events go to the sinks. With false they are kept in the log only: a change without its event is never made.",
        Flag(),
        default=True,
    ),
    Option(
        "enableTimestamps",
        "enable_timestamps",
        "`createdAt` and `updatedAt` are kept.",
        Flag(),
        default=True,
        aliases=("timestamps",),
    ),
    Option(
        "textSearchFields",
        "text_search_fields",
        "The text fields that a search looks into; one text index over them follows.",
        Many(Text("a field's path")),
        example="textSearchFields: [title, content]",
    ),
    Option(
        "uniqueFields",
        "unique_fields",
        "The fields whose value no two live documents share; a unique index on each follows.",
        Many(Text("a field's path")),
        example="uniqueFields: [sku]",
    ),
    Option(
        "indexes",
        "indexes",
        "Further indexes.",
        Many(INDEX),
        example="indexes: [{fields: {category: 1, price: -1}}]",
    ),
    Option(
        "additionalFields",
        "additional_fields",
        "Fields that are not declared are accepted at the top of a document; otherwise input with one is refused.",
        Flag(),
        default=False,
    ),
    Option("marks", "marks", "Other names for the marks of deletion.", MARKS),
    Option("archive", "archive", "When documents are archived, and to where.", Record(ARCHIVE_OPTIONS)),
    Option(
        "access",
        "access",
        "What each role may do; a role is a list of actions, or actions and rows.",
        Named(OrList(ACCESS, "actions"), "a mapping from roles to actions", LABEL),
        example="access: {reader: [read]}",
    ),
    Option(
        "aggregations",
        "aggregations",
        "Named pipelines that only read.",
        Named(OrList(AGGREGATION, "pipeline"), "a mapping from names to pipelines", LABEL),
    ),
    Option("events", "events", "Who gets the model's events.", Record(EVENT_OPTIONS)),
)
MODEL_HINTS = {
    "timeseries": "time series collections cannot be changed document by document",
    "strict": "say additionalFields: true to accept fields that are not declared",
    "unique": "the option is called uniqueFields",
    "softDelete": "the option is called enableSoftDelete",
}
MODEL = Record(MODEL_OPTIONS, "a mapping with fields", MODEL_HINTS, ("fields",))

TOP_OPTIONS: tuple[Option, ...] = (
    Option("settings", "settings", "Settings of the project, by name.", Anything()),
    Option("models", "models", "The models, by name.", Anything()),
)

# Every table, with its place in the file, in the order of the reference.
TABLES: tuple[tuple[str, tuple[Option, ...]], ...] = (
    ("model", MODEL_OPTIONS),
    ("field", FIELD_OPTIONS),
    ("indexes", INDEX_OPTIONS),
    ("marks", MARK_OPTIONS),
    ("archive", ARCHIVE_OPTIONS),
    ("archive.select", SELECT_OPTIONS),
    ("archive.tiers", TIER_OPTIONS),
    ("access", ACCESS_OPTIONS),
    ("aggregations", AGGREGATION_OPTIONS),
    ("events", EVENT_OPTIONS),
    ("events.handlers", HANDLER_OPTIONS),
)
