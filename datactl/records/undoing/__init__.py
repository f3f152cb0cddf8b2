"""Undo: an operation is taken back where nothing has changed since, and what has is reported."""

from __future__ import annotations

from datactl.records.undoing.fates import Fate, FateKind, LaterChange, UndoPlan, UndoResult
from datactl.records.undoing.undoer import KIND, Undoer

__all__ = ["KIND", "Fate", "FateKind", "LaterChange", "UndoPlan", "UndoResult", "Undoer"]
