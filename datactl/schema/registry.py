"""The models of a project, found by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datactl.errors import UsageError
from datactl.schema.frozen import FrozenDict
from datactl.schema.model import Model
from datactl.schema.together import check_together, declared_alone
from datactl.yamlfile.report import Report


class Registry(Mapping[str, Model]):
    """Name -> Model, in the order of declaration. Frozen. `settings` are the file's own, as they stand there.

    ModelsFileError if the models do not fit together: an unknown reference, two models on one collection.
    """

    __slots__ = ("_models", "settings", "source")

    def __init__(
        self, models: Iterable[Model], *, settings: Mapping[str, Any] | None = None, source: str = "models.yaml"
    ) -> None:
        models = tuple(models)
        check_together([declared_alone(model) for model in models], report := Report("the registry", python=True))
        if report:
            raise report.error()
        self._models = {model.name: model for model in models}
        self.settings = FrozenDict(settings or {})
        self.source = source

    def __getitem__(self, name: str) -> Model:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        return f"<Registry of {', '.join(self._models) or 'no models'}>"

    def model(self, name: str) -> Model:
        """The model of that name, in whatever case, or of that collection. UsageError with a did-you-mean."""
        if found := self._models.get(name):
            return found
        word = name.lower()
        for model in self._models.values():
            if word in (model.name.lower(), model.collection.lower()):
                return model
        raise self._unknown(name)

    def _unknown(self, name: str) -> UsageError:
        if not self._models:
            return UsageError(f'unknown model "{name}"', why=f"{self.source} declares none", next="edit it")
        near = {word.lower(): model.name for model in self._models.values() for word in (model.collection, model.name)}
        close = difflib.get_close_matches(name.lower(), near, n=1)
        why = f'did you mean "{near[close[0]]}"?' if close else f"the models are {', '.join(self._models)}"
        return UsageError(f'unknown model "{name}"', why=why, next="datactl models list")
