"""Updates: a mapping of new values, or MongoDB's update operators, read against the model before they are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bson.code import Code
from bson.regex import Regex

from datactl.errors import FilterError, InvalidDocument, Problem
from datactl.schema import Field, FieldType, Model
from datactl.schema.values import is_extended

_VALUE_OPERATORS = frozenset(("$inc", "$mul", "$min", "$max"))
_LIST_OPERATORS = frozenset(("$push", "$addToSet"))
# What these do to a field tells nothing of what is in it.
_BLIND_OPERATORS = frozenset(("$set", "$unset"))
_OTHER_OPERATORS = frozenset(("$unset", "$pull", "$pullAll", "$pop", "$rename", "$bit", "$currentDate"))
OPERATORS = frozenset(("$set",)) | _VALUE_OPERATORS | _LIST_OPERATORS | _OTHER_OPERATORS

_COMPARISONS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")

# Code that would run in the server has no place in an update.
_FORBIDDEN = frozenset(("$where", "$function", "$accumulator", "$expr"))


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """An update that may be sent. `plain`: whole top-level fields are set or removed, so the result is known before."""

    operators: Mapping[str, Mapping[str, Any]]
    plain: bool

    @property
    def set(self) -> Mapping[str, Any]:
        return self.operators.get("$set", {})

    @property
    def unset(self) -> tuple[str, ...]:
        return tuple(self.operators.get("$unset", ()))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that are named, at most one operator's each."""
        return tuple(path for operands in self.operators.values() for path in operands)


def read_update(model: Model, update: Mapping[str, Any]) -> UpdatePlan:
    """`{field: value}` (set) or `{"$set": ..., "$inc": ...}`, values as they are stored.

    InvalidDocument with every problem: unknown and immutable fields, the marks of a deletion, unknown operators, and
    operators whose outcome would tell the value of a secret field.
    """
    problems: list[Problem] = []
    given = _by_operator(update, problems)
    operators: dict[str, dict[str, Any]] = {}
    for operator, operands in given.items():
        if operator == "$set":
            operators[operator] = _read_set(model, operands, problems)
        else:
            operators[operator] = {
                path: _operand(model, operator, path, value, problems) for path, value in operands.items()
            }
        for path in operands:
            _check_path(model, operator, path, problems)
            _check_secret(model, operator, path, operands[path], problems)
    for operands in given.get("$rename", {}).values():
        _check_path(model, "$set", str(operands), problems)
        _check_secret(model, "$rename", str(operands), None, problems)
    problems += [Problem(_pointer(path), f"{key} is not allowed here", "operator") for path, key in _code(given)]
    if problems:
        first = problems[0]
        why = f"{first.where}: {first.what}" if len(problems) == 1 else f"{len(problems)} problems"
        raise InvalidDocument(f"the update is not valid for {model.name}", why=why, problems=_unique(problems))
    if not any(operators.values()):
        raise InvalidDocument("the update changes nothing", why="it names no field")
    plan = UpdatePlan({name: operands for name, operands in operators.items() if operands}, plain=False)
    whole_fields = not any("." in path for path in plan.paths)
    return replace(plan, plain=whole_fields and plan.operators.keys() <= {"$set", "$unset"})


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _by_operator(update: Mapping[str, Any], problems: list[Problem]) -> dict[str, Mapping[str, Any]]:
    if not isinstance(update, Mapping):
        raise InvalidDocument("an update is an object", why=f"this is a {type(update).__name__}")
    named = [name for name in update if str(name).startswith("$")]
    if not named:
        return {"$set": update}
    found: dict[str, Mapping[str, Any]] = {}
    for name, operands in update.items():
        if name not in named:
            problems.append(Problem(_pointer(name), "stands beside operators: put it into $set", "operator"))
        elif name not in OPERATORS:
            what = f"is no operator; there are {', '.join(sorted(OPERATORS))}"
            problems.append(Problem(_pointer(name), what, "operator"))
        elif not isinstance(operands, Mapping):
            problems.append(Problem(_pointer(name), "takes an object of fields", "type"))
        else:
            found[name] = operands
    return found


def _read_set(model: Model, operands: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    try:
        return model.read_input(operands, partial=True)
    except InvalidDocument as error:
        problems += error.problems
        return {}


def _check_path(model: Model, operator: str, path: str, problems: list[Problem]) -> None:
    where = _pointer(path)
    names = path.split(".")
    if any(name.startswith("$") and name != "$[]" for name in names):
        problems.append(Problem(where, "positions are numbers or $[] in an update", "positional"))
        return
    field = model.field(path)
    if field is None:
        if not model.additional_fields or names[0] in model.by_name:
            problems.append(Problem(where, f'unknown field "{path}"', "unknown_field"))
        return
    if model.soft_delete and names[0] in model.marks.names:
        problems.append(Problem(where, "the mark of a deletion is set by delete and restore only", "reserved_field"))
    elif names[0] == "_id" or any(parent.immutable for parent in _upward(model, names)):
        problems.append(Problem(where, "is immutable", "immutable"))
    elif operator in ("$unset", "$rename") and field.required:
        problems.append(Problem(where, "is required", "required"))
    elif operator != "$set" and names[0] == "updatedAt" and model.timestamps:
        problems.append(Problem(where, "is set with every change", "reserved_field"))
    elif field.type is FieldType.OBJECT and operator in ("$set", "$unset", "$rename"):
        fixed = next((child for child in field.walk() if child.immutable), None)
        if fixed is not None:
            problems.append(Problem(_pointer(fixed.path), "is immutable", "immutable"))


def _check_secret(model: Model, operator: str, path: str, operand: Any, problems: list[Problem]) -> None:
    """A secret is neither moved to where it is shown nor compared with anything."""
    if operator in _BLIND_OPERATORS or not model.touches_secret(path):
        return
    if model.is_secret(path):
        problems.append(Problem(_pointer(path), f"is secret: {operator} is refused, $set and $unset are not", "secret"))
    elif operator != "$pop" and not (operator == "$pull" and _by_members(operand)):
        what = f"holds secret fields: {operator} is refused; $set it as a whole, or what is not secret in it"
        problems.append(Problem(_pointer(path), what, "secret"))


def _by_members(operand: Any) -> bool:
    """A `$pull` that says what members of an item it means: each is read by itself, and refused if it is secret."""
    return isinstance(operand, Mapping) and not any(str(name).startswith("$") for name in operand)


def _upward(model: Model, names: list[str]) -> Iterator[Field]:
    for end in range(1, len(names) + 1):
        field = model.field(".".join(names[:end]))
        if field is not None:
            yield field


def _operand(model: Model, operator: str, path: str, value: Any, problems: list[Problem]) -> Any:
    if operator in _VALUE_OPERATORS:
        return _value(model, path, value, problems)
    if operator in _LIST_OPERATORS:
        if isinstance(value, Mapping) and "$each" in value:
            each = value["$each"]
            items = each if isinstance(each, list | tuple) else []
            return {**value, "$each": [_value(model, path, item, problems) for item in items]}
        return _value(model, path, value, problems)
    if operator == "$pullAll" and isinstance(value, list | tuple):
        return [_value(model, path, item, problems) for item in value]
    if operator == "$pull":
        return _pulled(model, path, value, problems)
    return value


def _pulled(model: Model, path: str, value: Any, problems: list[Problem]) -> Any:
    """What a `$pull` takes out: a value, or a condition on the items or on their members, read as a filter's is."""
    if isinstance(value, Mapping) and _by_members(value):
        return {name: _condition(model, f"{path}.{name}", item, problems) for name, item in value.items()}
    return _condition(model, path, value, problems)


def _condition(model: Model, path: str, value: Any, problems: list[Problem]) -> Any:
    if not isinstance(value, Mapping) or is_extended(value) or _by_members(value):
        return _operand_of(model, path, value, problems)
    return {name: _compared(model, path, str(name), item, problems) for name, item in value.items()}


def _compared(model: Model, path: str, operator: str, value: Any, problems: list[Problem]) -> Any:
    if operator in ("$in", "$nin") and isinstance(value, list | tuple):
        return [_operand_of(model, path, item, problems) for item in value]
    if operator in _COMPARISONS:
        return _operand_of(model, path, value, problems)
    if operator == "$exists" and isinstance(value, bool):
        _operand_of(model, path, None, problems)
        return value
    what = f"{operator} is not allowed here; there are {', '.join((*_COMPARISONS, '$in, $nin (lists), $exists'))}"
    problems.append(Problem(_pointer(path), what, "operator"))
    return value


def _operand_of(model: Model, path: str, value: Any, problems: list[Problem]) -> Any:
    """A value to compare with. Unlike `_value`, it cannot be of a secret or unknown field, nor a pattern."""
    try:
        read = model.read_value(path, value)
    except FilterError as error:
        problems.append(Problem(_pointer(path), error.why or error.what, "condition"))
        return value
    if isinstance(read, Regex | re.Pattern | Code):
        problems.append(Problem(_pointer(path), f"a {type(read).__name__} is not a value to compare with", "type"))
    return read


def _value(model: Model, path: str, value: Any, problems: list[Problem]) -> Any:
    """One operand as a value of the field."""
    field = model.field(path)
    if field is None or value is None or model.touches_secret(path):  # what is secret is refused by itself
        return value
    try:
        return model.read_value(path, value)
    except FilterError as error:
        problems.append(Problem(_pointer(path), error.why or error.what, "type"))
        return value


def _code(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in _FORBIDDEN:
                yield path, key
            yield from _code(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _code(item, path)


def _pointer(path: Any) -> str:
    return "/" + str(path).replace("~", "~0").replace("/", "~1").replace(".", "/")
