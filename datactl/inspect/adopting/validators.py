"""What an existing validator says about fields: rules that the documents alone do not show."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from datactl.inspect.adopting.guesses import FieldGuess, ModelGuess
from datactl.inspect.adopting.housekeeping import Kept
from datactl.schema.types import INT32

_KINDS: Mapping[str, str] = {
    "string": "string",
    "int": "int",
    "long": "long",
    "double": "double",
    "decimal": "decimal",
    "number": "number",
    "bool": "bool",
    "boolean": "bool",
    "date": "date",
    "objectId": "objectId",
    "object": "object",
    "array": "array",
    "binData": "binary",
}
_LIMITS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "minimum": ("min", ("int", "long", "double", "number", "decimal")),
    "maximum": ("max", ("int", "long", "double", "number", "decimal")),
    "minLength": ("minLength", ("string",)),
    "maxLength": ("maxLength", ("string",)),
    "pattern": ("pattern", ("string",)),
}


def read_validator(guess: ModelGuess, options: Mapping[str, Any], kept: Kept) -> None:
    """Take the rules of the collection's validator into the guessed fields; fields that only it knows are added."""
    validator = options.get("validator")
    if not validator:
        return
    level, action = options.get("validationLevel", "strict"), options.get("validationAction", "error")
    guess.about.append(f"has a validator (level {level}, action {action}): datactl models diff compares it with this")
    schema = validator.get("$jsonSchema")
    if not isinstance(schema, Mapping) or set(validator) != {"$jsonSchema"}:
        guess.notice(
            "other_validator",
            "",
            "its validator has rules that models.yaml cannot say (query operators beside $jsonSchema): not taken over",
            f"datactl models apply {guess.name} would replace it",
        )
    if isinstance(schema, Mapping):
        _object(guess, guess.fields, schema, "", kept.names | {"_id"})


def _object(
    guess: ModelGuess, fields: list[FieldGuess], schema: Mapping[str, Any], prefix: str, reserved: frozenset[str]
) -> None:
    properties = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    by_name = {each.name: each for each in fields}
    for name, rules in properties.items():
        if name in reserved or not isinstance(rules, Mapping) or "." in name or name.startswith("$") or not name:
            continue
        found = by_name.get(name)
        if found is None:
            kind = _kind(rules)
            found = FieldGuess(name, f"{prefix}{name}", kind, evidence="only its validator knows it")
            fields.append(found)
            guess.notice(
                "dead_field", found.path, f"{found.path} is in the validator, and in no document that was read"
            )
            if name in required and kind not in ("object", "map"):
                found.options["required"] = True
        _rules(guess, found, rules, name in required)
        if found.kind == "object" and rules.get("properties"):
            _object(guess, found.fields, rules, f"{found.path}.", frozenset())


def _kind(rules: Mapping[str, Any]) -> str:
    words = rules.get("bsonType", rules.get("type"))
    listed = [word for word in (words if isinstance(words, list) else [words]) if word != "null"]
    if len(listed) == 1 and isinstance(listed[0], str):
        return _KINDS.get(listed[0], "mixed")
    return "number" if listed and set(listed) <= {"int", "long", "double", "decimal", "number"} else "mixed"


def _says(option: str, value: Any) -> bool:
    """Whether the value of a rule can be one of models.yaml's option; that an int has 32 bits needs no saying."""
    if value in INT32:
        return False
    if option == "pattern":
        return isinstance(value, str) and _compiles(value)
    if option in ("minLength", "maxLength"):
        return isinstance(value, int | float) and value == int(value) >= 0
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _compiles(pattern: str) -> bool:
    """Python's regular expressions are not MongoDB's: a pattern that only those know is left to the validator."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _rules(guess: ModelGuess, found: FieldGuess, rules: Mapping[str, Any], is_required: bool) -> None:
    for word, (option, kinds) in _LIMITS.items():
        value = rules.get(word)
        if found.kind in kinds and _says(option, value):
            found.options.setdefault(option, int(value) if option.endswith("Length") else value)  # type: ignore[arg-type]
    choices = rules.get("enum")
    if found.kind == "string" and isinstance(choices, list):
        texts = [choice for choice in choices if isinstance(choice, str)]
        if texts:
            found.options["enum"] = texts
    if is_required and not found.options.get("required") and found.kind not in ("object", "map", "array"):
        guess.notice(
            "required_not_kept",
            found.path,
            f"the validator requires {found.path}, but documents lack it: {found.evidence.partition(';')[0]}",
        )
