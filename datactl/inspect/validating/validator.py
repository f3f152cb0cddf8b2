"""The validator: which checks run on which models, one after the other, and their findings as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from datactl.archive import check
from datactl.errors import DatabaseError, VaultDamaged, VaultMismatch
from datactl.inspect.findings import Finding
from datactl.inspect.indexes import IndexKeeper
from datactl.inspect.validating import checks
from datactl.inspect.validating.archived import ArchivedIds
from datactl.inspect.validating.copies import check_copies
from datactl.inspect.validating.documents import check_documents
from datactl.inspect.validating.duplicates import check_duplicates
from datactl.inspect.validating.indexes import check_indexes
from datactl.inspect.validating.looking import Look, draw_sample
from datactl.inspect.validating.marks import check_marks
from datactl.inspect.validating.outside_writes import check_outside_writes
from datactl.inspect.validating.references import check_references
from datactl.inspect.validating.vault import check_vault
from datactl.mongo import Mongo
from datactl.schema import Model, Registry
from datactl.steps import UNWATCHED, Watcher
from datactl.vault import Vault

_OF_DOCUMENTS: Mapping[str, Callable[[Look], Iterator[Finding]]] = {
    checks.DOCUMENTS: check_documents,
    checks.MARKS: check_marks,
    checks.REFERENCES: check_references,
    checks.COPIES: check_copies,
    checks.OUTSIDE_WRITES: check_outside_writes,
}


@dataclass(frozen=True, slots=True)
class ValidationPlan:
    """What is looked at: these models, by these checks in this order; `sample` documents of each, None for all.

    `left_out`: checks that a sample cannot answer.
    """

    models: tuple[str, ...]
    checks: tuple[str, ...]
    sample: int | None
    left_out: tuple[str, ...]
    whole_vault: bool


class Validator:
    """Finds what is broken; changes nothing."""

    def __init__(self, mongo: Mongo, vault: Vault, registry: Registry, *, event_key: bytes | None = None) -> None:
        self._mongo = mongo
        self._vault = vault
        self._registry = registry
        self._event_key = event_key
        self._keeper = IndexKeeper(mongo, registry)

    def plan(self, model: str | None = None, *, only: str | None = None, sample: int | None = None) -> ValidationPlan:
        """Of one model or of all; `only` names checks (`marks,references`). UsageError for an unknown one."""
        models = (self._registry.model(model).name,) if model else tuple(self._registry)
        wanted = checks.read_checks(only)
        left_out = (checks.DUPLICATES,) if sample is not None and checks.DUPLICATES in wanted else ()
        chosen = tuple(name for name in wanted if name not in left_out)
        return ValidationPlan(models, chosen, sample, left_out, model is None)

    def run(self, plan: ValidationPlan, *, watch: Watcher = UNWATCHED) -> Iterator[Finding]:
        """The findings, model by model and check by check, as they come; the vault's at the end.

        Holds a few hundred documents, and the hashes of a model's archived ids. What a stopping watcher leaves out is
        the rest of the checks.
        """
        of_models = [name for name in plan.checks if name != checks.VAULT]
        total = len(plan.models) * len(of_models) + (checks.VAULT in plan.checks)
        done = 0
        archived = self._archived() if of_models else None
        for name in plan.models:
            look = self._look(self._registry.model(name), plan, archived, watch) if of_models else None
            for each in of_models:
                if watch.stopping() or look is None:
                    return
                with watch.around("validate", done, total, "checks", model=name, check=each):
                    yield from self._findings(each, look)
                done += 1
        if checks.VAULT in plan.checks and not watch.stopping():
            with watch.around("validate", done, total, "checks", check=checks.VAULT):
                yield from check_vault(self._mongo, self._vault, None if plan.whole_vault else plan.models[0], watch)

    def _findings(self, name: str, look: Look) -> Iterator[Finding]:
        """A check's findings. Where the server cannot answer it, that is one, and the others go on."""
        try:
            yield from self._found(name, look)
        except DatabaseError as error:
            yield checks.not_done(name, look.model, error)

    def _found(self, name: str, look: Look) -> Iterator[Finding]:
        if name == checks.DUPLICATES:
            return check_duplicates(look, self._keeper)
        if name == checks.INDEXES:
            return check_indexes(self._keeper, look.model.name)
        return _OF_DOCUMENTS[name](look)

    def _look(
        self, model: Model, plan: ValidationPlan, archived: Mapping[str, ArchivedIds] | None, watch: Watcher
    ) -> Look:
        return Look(
            mongo=self._mongo,
            registry=self._registry,
            model=model,
            sample=None if plan.sample is None else draw_sample(self._mongo, model, plan.sample),
            checks=frozenset(plan.checks),
            now=self._mongo.server_time(),
            archived=archived,
            event_key=self._event_key,
            watch=watch,
        )

    def _archived(self) -> Mapping[str, ArchivedIds] | None:
        """What the vault holds of each model, read when it is asked for; None where it is not this database's."""
        try:
            binding = check(self._mongo, self._vault)
        except (VaultMismatch, VaultDamaged):
            return None  # the check `vault` says so
        return {
            model.name: ArchivedIds(self._mongo, self._vault, model, binding.namespaces(model))
            for model in self._registry.values()
        }
