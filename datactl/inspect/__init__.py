"""Looking at data without changing a document: figures and indexes."""

from datactl.inspect.indexes import IndexKeeper, IndexState
from datactl.inspect.stats import ModelStats, OutboxStats, Statistician, StatsReport

__all__ = ["IndexKeeper", "IndexState", "ModelStats", "OutboxStats", "Statistician", "StatsReport"]
