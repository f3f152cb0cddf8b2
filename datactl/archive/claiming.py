"""How a run begins: it claims an epoch in the vault, and takes its lease with it."""

from __future__ import annotations

from datactl.archive.binding import check_epochs, note_epoch
from datactl.errors import LeaseLost
from datactl.mongo import Mongo
from datactl.mongo.leases import DEFAULT_TTL_S, Holder, Lease
from datactl.steps import Watcher
from datactl.vault import Vault

# A run that is overtaken between claiming its epoch and taking the lease claims another one.
_CLAIMS = 5


def claim_epoch(mongo: Mongo, vault: Vault, model: str, watch: Watcher) -> int:
    """A fresh epoch of the model, which the database has seen then. VaultMismatch for a vault that lies behind it."""
    check_epochs(mongo, vault, model)
    with watch.around("epoch", unit="epochs"):
        epoch = vault.claim_epoch(model)
        note_epoch(mongo, model, epoch)
    return epoch


def take_lease(
    mongo: Mongo,
    vault: Vault,
    model: str,
    name: str,
    *,
    holder: Holder,
    ttl_s: float = DEFAULT_TTL_S,
    wait_s: float = 0,
    forget: bool = False,
    watch: Watcher,
) -> Lease:
    """The lease of this name under a new epoch of the model; its row carries it, so leases and ranks have one order.

    Locked, LeaseLost, VaultMismatch, StoreError: a run that is refused claims nothing.
    """
    for claim in range(1, _CLAIMS + 1):
        Lease.wait_until_free(mongo, name, wait_s=wait_s)
        epoch = claim_epoch(mongo, vault, model, watch)
        try:
            with watch.around("lease", unit="leases", epoch=epoch):
                return Lease.acquire(mongo, name, epoch=epoch, ttl_s=ttl_s, holder=holder, wait_s=wait_s, forget=forget)
        except LeaseLost:
            # A run with a later epoch came and went in between.
            if claim == _CLAIMS:
                raise
    raise AssertionError("unreachable")
