"""transfer: documents out to files and in from them."""

from __future__ import annotations

from datactl.transfer.exporter import Exporter, ExportPlan, ExportReport
from datactl.transfer.formats import Format
from datactl.transfer.importer import Importer
from datactl.transfer.manifest import ExportManifest
from datactl.transfer.plans import ImportOptions, ImportPlan, ImportReport

__all__ = [
    "ExportManifest",
    "ExportPlan",
    "ExportReport",
    "Exporter",
    "Format",
    "ImportOptions",
    "ImportPlan",
    "ImportReport",
    "Importer",
]
