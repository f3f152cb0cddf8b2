"""The check `indexes`: where the database's indexes are not what the models say."""

from __future__ import annotations

from collections.abc import Iterator

from datactl.inspect.findings import Finding
from datactl.inspect.indexes import IndexKeeper


def check_indexes(keeper: IndexKeeper, model: str) -> Iterator[Finding]:
    """One finding per index of the model that is missing, different or unknown; as `datactl index plan`."""
    yield from keeper.drift([model])
