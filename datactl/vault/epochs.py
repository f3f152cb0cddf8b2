"""Epochs: the number of a model's runs, claimed in the bucket so that restoring the database cannot roll it back."""

from __future__ import annotations

import json
import os
import secrets
import socket
from datetime import datetime

from datactl.errors import ObjectExists
from datactl.objects import ObjectStore
from datactl.vault import names
from datactl.vault.sealed import date_text


def latest_epoch(store: ObjectStore, model: str) -> int:
    """The highest epoch that was claimed for a model, 0 if none."""
    latest = 0
    for info in store.list(names.folder(names.EPOCHS, model)):
        latest = names.epoch_in(info.key) or latest
    return latest


def claim_epoch(store: ObjectStore, model: str, now: datetime, *, above: int = 0) -> int:
    """Claim the next epoch: higher than every one before and than `above`, and nobody else's.

    What is in it is for a person's eyes.
    """
    claim = {
        "claimedAt": date_text(now),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "nonce": secrets.token_hex(8),
    }
    data = json.dumps(claim).encode()
    epoch = max(latest_epoch(store, model), above)
    while True:
        epoch += 1
        key = names.epoch_key(model, epoch)
        try:
            store.put(key, data, kind="epoch")
        except ObjectExists:
            if store.get(key) != data:  # I8: if it is our claim, only the reply was lost
                continue
        return epoch
