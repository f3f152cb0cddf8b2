"""The reference: pages and manuals made from the tables of commands, settings and errors, so that they cannot differ.

`python -m datactl.reference` writes all that is generated in this repository; `make reference` does the same.
"""

from __future__ import annotations

from datactl.reference.made import made

__all__ = ["made"]
