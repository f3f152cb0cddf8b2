"""A secret value that is taken is named nowhere: not in the error, not in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from bson import ObjectId

from datactl.errors import DuplicateKey, RestoreConflict
from datactl.mongo import Mongo
from datactl.records import Repository
from datactl.records.ledger import OPERATIONS
from datactl.schema import Registry, define_model

SECRET = "sk-live-4242"
CLIENT = define_model(
    "Client", {"name": "string", "apiKey": {"type": "string", "secret": True}}, unique_fields=["apiKey"]
)


@pytest.fixture
def clients(mongo: Mongo, tmp_path: Path) -> Repository:
    (index,) = (each for each in CLIENT.indexes() if each.unique)
    command = index.as_command()
    mongo.collection("clients").create_index(
        list(command.pop("key").items()), partialFilterExpression=command["partialFilterExpression"], unique=True
    )
    repository = Repository(CLIENT, mongo, Registry([CLIENT]), actor="t", spool_dir=tmp_path)
    repository.create({"name": "first", "apiKey": SECRET})
    return repository


def test_the_error_names_the_field_and_not_the_value(clients: Repository) -> None:
    with pytest.raises(DuplicateKey) as caught:
        clients.create({"name": "second", "apiKey": SECRET})
    assert "apiKey" in str(caught.value)
    assert SECRET not in str(caught.value.as_dict())


def test_the_conflict_of_a_secret_reference_does_not_tell_it(mongo: Mongo, tmp_path: Path) -> None:
    patient = define_model("Patient", {"doctor": {"type": "objectId", "ref": "Client", "secret": True}})
    patients = Repository(patient, mongo, Registry([CLIENT, patient]), actor="t", spool_dir=tmp_path)
    gone = ObjectId()
    made = patients.create({"doctor": gone})
    patients.soft_delete(made["_id"])
    with pytest.raises(RestoreConflict, match="the Client it refers to is not there") as caught:
        patients.restore(made["_id"])
    assert str(gone) not in str(caught.value.as_dict())
    mongo.collection("clients").insert_one({"_id": gone, "deleted": True})
    with pytest.raises(RestoreConflict, match="is deleted") as caught:
        patients.restore_many(filter={})
    assert str(gone) not in str(caught.value.as_dict())


def test_the_ledger_of_bulk_work_does_not_hold_it(clients: Repository, mongo: Mongo) -> None:
    result = clients.create_many([{"name": "second", "apiKey": SECRET}, {"name": "third", "apiKey": "other"}])
    assert (result.changed, result.failures) == (1, 1)
    assert SECRET not in str(list(mongo.collection(OPERATIONS).find()))
    assert "apiKey" in str(result.failed)
    assert SECRET not in str(result)
