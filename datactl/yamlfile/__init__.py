"""A YAML file as nodes that know their places, and the report of everything that is wrong in it."""

from datactl.yamlfile.report import Entry, Node, Place, Report
from datactl.yamlfile.source import MAX_BYTES, decode, read_nodes

__all__ = ["MAX_BYTES", "Entry", "Node", "Place", "Report", "decode", "read_nodes"]
