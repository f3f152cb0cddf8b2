"""Object stores: one small interface, a directory of files or memory behind it."""

from __future__ import annotations

from datactl.objects.interface import Data, ObjectInfo, ObjectStore, PutResult
from datactl.objects.keys import check_key
from datactl.objects.opening import open_store

__all__ = ["Data", "ObjectInfo", "ObjectStore", "PutResult", "check_key", "open_store"]
