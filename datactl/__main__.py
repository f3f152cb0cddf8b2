"""`python -m datactl`."""

from datactl.cli import run

run()
