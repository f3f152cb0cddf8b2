"""doctor: what a project needs to run safely, looked at piece by piece; nothing but its own probe object is written."""

from __future__ import annotations

from datactl.inspect.doctor.examination import Doctor
from datactl.inspect.doctor.lines import CHECKS, Level, Line

__all__ = ["CHECKS", "Doctor", "Level", "Line"]
