"""The exception tree: its drawing, its codes and its exit statuses agree with the classes."""

from __future__ import annotations

import inspect
import re

import pytest

import datactl.errors as errors
from datactl.errors import EXIT_CODES, DatactlError, Interrupted, NotFound, Problem

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DatactlError)]
DRAWN = re.findall(r"^[ |`-]*?([A-Z]\w+)\s+([\d/]+)\s+(\w+)", errors.__doc__ or "", re.MULTILINE)


def test_the_drawing_lists_every_class_with_its_code_and_exit_status() -> None:
    drawn = {name: (status, code) for name, status, code in DRAWN}
    built = {kind.__name__: ("130/143" if kind is Interrupted else str(kind.exit_code), kind.code) for kind in CLASSES}
    assert drawn == built


def test_codes_are_unique_and_every_exit_status_is_explained() -> None:
    assert len({kind.code for kind in CLASSES}) == len(CLASSES)
    assert {kind.exit_code for kind in CLASSES if kind is not Interrupted} <= EXIT_CODES.keys()


@pytest.mark.parametrize(("signal", "status"), [(2, 130), (15, 143)])
def test_a_signal_decides_the_exit_status(signal: int, status: int) -> None:
    assert Interrupted("stopped", signal=signal).exit_code == status


def test_an_error_is_one_json_ready_object_without_empty_parts() -> None:
    error = NotFound("no Post 7", next="datactl find Post", problems=[Problem("/_id", "is not there")], id=7)
    assert error.as_dict() == {
        "code": "not_found",
        "what": "no Post 7",
        "next": "datactl find Post",
        "exitCode": 6,
        "problems": [{"where": "/_id", "what": "is not there", "code": "invalid"}],
        "details": {"id": 7},
    }
    assert str(NotFound("no Post 7", why="it was archived")) == "no Post 7: it was archived"
