"""records: the universal repository. Create, update, find, page, soft delete, restore, one by one and in bulk."""

from __future__ import annotations

from datactl.records.explaining import Explanation
from datactl.records.filters import parse_filter
from datactl.records.repository import Repository
from datactl.records.results import BulkResult, Change, DeletePlan, Page
from datactl.records.sorting import parse_sort

__all__ = [
    "BulkResult",
    "Change",
    "DeletePlan",
    "Explanation",
    "Page",
    "Repository",
    "parse_filter",
    "parse_sort",
]
