"""Declarations that several tests read."""

from __future__ import annotations

from datactl.schema import Model, parse_models

EVERY_TYPE = """
models:
  Thing:
    uniqueFields: [code]
    textSearchFields: [text]
    fields:
      text: {type: string, required: true, minLength: 2, maxLength: 20, pattern: '^[a-z ]+$'}
      code: string
      state: {type: string, enum: [open, closed], default: open}
      small: {type: int, min: 0, max: 10}
      big: long
      ratio: {type: double, min: -1.5}
      amount: number
      price: {type: decimal, max: '99.99'}
      done: bool
      at: {type: date, min: 2000-01-01}
      born: {type: date, default: now}
      owner: {type: objectId}
      key: uuid
      data: binary
      inner:
        label: {type: string, required: true}
        count: {type: int, default: 0}
      open: object
      tags: {type: [string], maxLength: 3}
      points: [{x: {type: double, required: true}, y: double}]
      scores: {type: map, of: int}
      any: mixed
      token: {type: string, secret: true, minLength: 8}
"""


def thing() -> Model:
    return parse_models(EVERY_TYPE).model("Thing")


def one(fields: str, options: str = "") -> Model:
    """A model M with these fields, one a line."""
    body = "\n".join(f"      {line}" for line in fields.strip().splitlines())
    more = "\n".join(f"    {line}" for line in options.strip().splitlines())
    return parse_models(f"models:\n  M:\n    fields:\n{body}\n{more}\n").model("M")
