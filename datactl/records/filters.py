"""Filters from outside: a small grammar over declared fields, turned into a MongoDB filter that can do nothing else.

Text is terms joined by commas: `status=open`, `price>=10`, `price<20`, `name!=x`, `title~word` (contains),
`title^=The` (starts with); a value with a comma in it is written as a JSON string: `name="Smith, John"`.
JSON is `{"field": value}` or `{"field": {"gte": 1, "lt": 5}}` with the operators of `OPERATORS`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from bson.code import Code
from bson.regex import Regex

from datactl.errors import FilterError, InvalidDocument
from datactl.schema import Field, FieldType, Model
from datactl.schema.values import is_extended
from datactl.yamlfile.report import did_you_mean, quoted

Term: TypeAlias = tuple[str, str, Any]


@dataclass(frozen=True, slots=True)
class _Target:
    """What a condition is about."""

    model: Model
    field: Field
    path: str


_Builder: TypeAlias = Callable[[_Target, Any], Any]

_SYMBOLS = {
    "=": "eq",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "~": "contains",
    "^=": "startsWith",
}
_TERM = re.compile(r"\s*(?P<path>[^\s=<>!~^\"]+)\s*(?P<symbol>>=|<=|!=|\^=|=|>|<|~)(?P<value>.*)", re.DOTALL)
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', re.DOTALL)
_VALUES_AT_MOST = 1000
_PATTERNS = ("$regex", "$regularExpression")
_TEXTS = (FieldType.STRING, FieldType.MIXED)


def parse_filter(model: Model, given: str | Mapping[str, Any] | None, *, regex: bool = False) -> dict[str, Any]:
    """The MongoDB filter for text or JSON from outside. FilterError, with the nearest name for an unknown field.

    Secret fields cannot be named. `regex` allows the operator of that name, for callers who may cost the server time.
    """
    built: dict[str, Any] = {}
    more: list[dict[str, Any]] = []
    for path, operator, value in _terms(given):
        condition = _condition(_Target(model, _declared(model, path), path), operator, value, regex)
        if path not in built:
            built[path] = condition
        elif _are_operators(built[path]) and _are_operators(condition) and not built[path].keys() & condition.keys():
            built[path] = {**built[path], **condition}
        else:
            more.append({path: condition})
    return {**built, "$and": more} if more else built


def doubts(model: Model, filter: Mapping[str, Any]) -> list[str]:
    """What in a filter of `parse_filter` no declared value can match: a word that is not among its field's choices.

    Not an error: the database may hold what the model does not allow any more. It is said where nothing matched.
    """
    found: list[str] = []
    for path, condition in _conditions(filter):
        field = model.field(path)
        choices = (field.element.enum or ()) if field is not None else ()
        wanted = condition.get("$in", (condition.get("$eq"),)) if isinstance(condition, Mapping) else (condition,)
        for value in wanted if choices else ():
            if value is not None and value not in choices:
                words = [str(choice) for choice in choices]
                near = did_you_mean(str(value), words) or f": it is one of {', '.join(words)}"
                found.append(f"{path} cannot be {quoted(str(value))}{near}")
    return found


def _conditions(filter: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, condition in filter.items():
        if path == "$and":
            for each in condition:
                yield from _conditions(each)
        else:
            yield path, condition


def _are_operators(condition: Any) -> bool:
    return isinstance(condition, dict)


def _terms(given: str | Mapping[str, Any] | None) -> Iterator[Term]:
    if given is None:
        return
    if isinstance(given, str):
        text = given.strip()
        if given and not text:
            raise FilterError("the filter is blank", next="leave it out, or give {}, to mean every document")
        if not text.startswith("{"):
            yield from _text_terms(text)
            return
        try:
            given = json.loads(text, object_pairs_hook=_once_each)
        except ValueError as error:
            raise FilterError("the filter is not valid JSON", why=str(error)) from None
    if not isinstance(given, Mapping):
        raise FilterError("a filter is a JSON object", next='write {"field": value} or field=value')
    for path, value in given.items():
        yield from _json_terms(str(path), value)


def _text_terms(text: str) -> Iterator[Term]:
    for part in _split(text) if text else ():
        found = _TERM.fullmatch(part)
        if found is None:
            raise FilterError(
                f"cannot read the filter term {part.strip()!r}",
                next='write field=value, field>=value or field~text, joined by commas; quote a value: field="a, b"',
            )
        yield found["path"], _SYMBOLS[found["symbol"]], _text_value(found["value"].strip())


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members have different names: of two alike, JSON readers forget the first."""
    found: dict[str, Any] = {}
    for name, value in members:
        if name in found:
            raise FilterError(f"the filter names {name!r} twice in one object", next='write {"field": {"gte": 1, ...}}')
        found[name] = value
    return found


def _split(text: str) -> Iterator[str]:
    """The terms between commas; a comma inside quotes does not part them."""
    start = 0
    while start <= len(text):
        found = _PART.match(text, start)
        end = found.end() if found else start
        if end < len(text) and text[end] != ",":
            raise FilterError(f"a quote is not closed in {text[start:]!r}")
        yield text[start:end]
        start = end + 1


def _text_value(text: str) -> Any:
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError as error:
            raise FilterError(f"the quoted value {text} is not a JSON string", why=str(error)) from None
    return None if text == "null" else text


def _json_terms(path: str, value: Any) -> Iterator[Term]:
    if not isinstance(value, Mapping) or is_extended(value):
        if isinstance(value, Mapping) and not value.keys().isdisjoint(_PATTERNS):
            raise FilterError(f"{path}: a pattern is not a value to compare with", next="use contains or startsWith")
        yield path, "eq", value
        return
    if not value:
        raise FilterError(f"{path}: no operator is given", next=f"use one of {', '.join(OPERATORS)}")
    for operator, operand in value.items():
        yield path, str(operator), operand


def _declared(model: Model, path: str) -> Field:
    model.read_value(path, None)  # refuses unknown and secret fields, and operators in the place of a field
    return model.field(path) or Field(name=path, path=path, type=FieldType.MIXED)


def _condition(target: _Target, operator: str, value: Any, regex: bool) -> Any:
    if operator == "regex" and not regex:
        raise FilterError("regular expressions are not allowed here", next="use contains or startsWith")
    build = OPERATORS.get(operator)
    if build is None:
        near = difflib.get_close_matches(operator.lstrip("$"), OPERATORS, n=1)
        raise FilterError(
            f"{target.path}: unknown operator {operator!r}",
            next=f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(OPERATORS)}",
        )
    return build(target, value)


def _value(target: _Target, value: Any) -> Any:
    if value is None:
        return None
    try:
        read = target.model.read_value(target.path, value)
    except InvalidDocument as error:
        raise FilterError(f"{target.path}: {error.what}", why=error.why, problems=error.problems) from None
    if isinstance(read, Regex | re.Pattern | Code):
        raise FilterError(f"{target.path}: a {type(read).__name__} is not a value to compare with")
    return read


def _equal(target: _Target, value: Any) -> Any:
    read = _value(target, value)
    return {"$eq": read} if isinstance(read, Mapping | list) else read


def _comparing(operator: str) -> _Builder:
    def build(target: _Target, value: Any) -> Any:
        if value is None and operator != "$ne":
            raise FilterError(f"{target.path}: null has no order", next=f"write {target.path}=null, or exists: false")
        return {operator: _value(target, value)}

    return build


def _listing(operator: str) -> _Builder:
    def build(target: _Target, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            example = f'{{"{target.path}": {{"{operator[1:]}": [1, 2]}}}}'
            raise FilterError(f"{target.path}: {operator[1:]} takes a list", next=f"write {example}")
        if len(value) > _VALUES_AT_MOST:
            raise FilterError(f"{target.path}: {len(value)} values, at most {_VALUES_AT_MOST} are taken")
        return {operator: [_value(target, item) for item in value]}

    return build


def _exists(target: _Target, value: Any) -> Any:
    wanted = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(wanted, bool):
        raise FilterError(f"{target.path}: exists takes true or false")
    return {"$exists": wanted}


def _matching(name: str, pattern: Callable[[str], str], options: str) -> _Builder:
    def build(target: _Target, value: Any) -> Any:
        if target.field.element.type not in _TEXTS:
            raise FilterError(f"{target.path}: {name} is for text, {target.path} is {target.field.type.value}")
        if not isinstance(value, str):
            raise FilterError(f"{target.path}: {name} takes a text")
        if "\0" in value:
            raise FilterError(f"{target.path}: a text to look for cannot contain the character NUL")
        return {"$regex": Regex(pattern(value), options)}

    return build


OPERATORS: dict[str, _Builder] = {
    "eq": _equal,
    "ne": _comparing("$ne"),
    "gt": _comparing("$gt"),
    "gte": _comparing("$gte"),
    "lt": _comparing("$lt"),
    "lte": _comparing("$lte"),
    "in": _listing("$in"),
    "nin": _listing("$nin"),
    "exists": _exists,
    "contains": _matching("contains", re.escape, "i"),  # upper and lower case alike
    "startsWith": _matching("startsWith", lambda text: "^" + re.escape(text), ""),  # exact case: an index can serve it
    "regex": _matching("regex", str, ""),
}
