"""The forms in which data is printed."""

from __future__ import annotations

from typing import Literal

Form = Literal["table", "json", "ndjson", "yaml"]
FORMS: tuple[Form, ...] = ("table", "json", "ndjson", "yaml")
