"""A validator's refusal, read: MongoDB's `errInfo` to a list of problems with JSON Pointers.

Shape: https://www.mongodb.com/docs/manual/core/schema-validation/ ("details.schemaRulesNotSatisfied").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datactl.errors import Problem


def rejected_by(err_info: Any) -> tuple[Problem, ...]:
    """The rules that were not satisfied. Values are left out: they may be secret."""
    if not isinstance(err_info, Mapping):
        return ()
    details = err_info.get("details")
    if not isinstance(details, Mapping):
        return ()
    return tuple(_rules(details.get("schemaRulesNotSatisfied"), ""))


def _rules(rules: Any, pointer: str) -> Iterator[Problem]:
    for rule in rules or ():
        if isinstance(rule, Mapping):
            yield from _rule(rule, pointer)


def _rule(rule: Mapping[str, Any], pointer: str) -> Iterator[Problem]:
    for field in rule.get("missingProperties") or ():
        yield Problem(_below(pointer, field), "is required", "required")
    for field in rule.get("additionalProperties") or () if isinstance(rule.get("additionalProperties"), list) else ():
        yield Problem(_below(pointer, field), "is not a known field", "unknown_field")
    for field in rule.get("propertiesNotSatisfied") or ():
        yield from _rules(field.get("details"), _below(pointer, field.get("propertyName", "")))
    if "itemIndex" in rule:
        yield from _rules(rule.get("details"), _below(pointer, rule["itemIndex"]))
    for schema in rule.get("schemasNotSatisfied") or ():
        yield from _rules(schema.get("details"), pointer)
    if "reason" in rule:
        yield Problem(pointer, f"{rule['reason']} ({rule.get('operatorName', 'rule')}{_limit(rule)})", "rejected")


def _limit(rule: Mapping[str, Any]) -> str:
    specified = rule.get("specifiedAs")
    if isinstance(specified, Mapping) and len(specified) == 1:
        return f": {next(iter(specified.values()))}"
    return ""


def _below(pointer: str, key: Any) -> str:
    """RFC 6901: "~" and "/" in a key are escaped."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
