"""Validating: finding what is broken in documents, references, marks, indexes and the vault."""

from datactl.inspect.validating.checks import CHECKS, Check, Code
from datactl.inspect.validating.validator import ValidationPlan, Validator

__all__ = ["CHECKS", "Check", "Code", "ValidationPlan", "Validator"]
