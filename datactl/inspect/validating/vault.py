"""The check `vault`: that it is this database's, and that each of its objects is whole."""

from __future__ import annotations

from collections.abc import Iterator

from datactl.archive import check, epochs_behind
from datactl.errors import VaultDamaged, VaultMismatch
from datactl.inspect.findings import Finding
from datactl.inspect.validating.checks import DAMAGE, VAULT, finding
from datactl.mongo import Mongo
from datactl.steps import Watcher
from datactl.vault import Vault


def check_vault(mongo: Mongo, vault: Vault, model: str | None, watch: Watcher) -> Iterator[Finding]:
    """What is wrong with a model's part of the vault; with all of it for None, models of the past included."""
    try:
        check(mongo, vault)
    except VaultMismatch as error:
        yield finding(VAULT, "mismatch", "", str(error), where=vault.store.url, next=error.next)
    except VaultDamaged:
        pass  # its identity, which is found below with the rest
    else:
        for name, epoch in epochs_behind(mongo, vault, model).items():
            what = f"the database saw epoch {epoch}, the vault is at {vault.latest_epoch(name)}"
            yield finding(VAULT, "epoch_behind", name, what, where=vault.store.url)
    for found in vault.verify(model, watch=watch):
        if found.code in DAMAGE:
            yield finding(VAULT, found.code, found.model, found.what, where=found.key, next=found.next)
