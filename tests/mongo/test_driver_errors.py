"""Driver errors: every exception class of the driver has a meaning of its own here, and none tells a password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson import errors as bson_errors
from pymongo import InsertOne
from pymongo import errors as pymongo_errors

from datactl import errors
from datactl.mongo import Mongo, as_datactl, mapping_errors
from datactl.mongo.driver_errors import first_failure, has_label
from datactl.mongo.meanings import MEANINGS, SERVER_CODES, UPDATE_CODES

# What each class must mean, spelled out once more: the table of the code is not its own proof.
EXPECTED: dict[str, type[errors.DatactlError]] = {
    "PyMongoError": errors.DatabaseError,
    "ProtocolError": errors.CannotConnect,
    "ConnectionFailure": errors.CannotConnect,
    "WaitQueueTimeoutError": errors.CannotConnect,
    "AutoReconnect": errors.CannotConnect,
    "NetworkTimeout": errors.CannotConnect,
    "NotPrimaryError": errors.CannotConnect,
    "ServerSelectionTimeoutError": errors.CannotConnect,
    "_OperationCancelled": errors.CannotConnect,
    "SSLCertVerificationError": errors.CannotConnect,
    "ConfigurationError": errors.ConfigError,
    "InvalidURI": errors.ConfigError,
    "OperationFailure": errors.DatabaseError,
    "CursorNotFound": errors.DatabaseError,
    "ExecutionTimeout": errors.DatabaseTimeout,
    "WriteConcernError": errors.DatabaseError,
    "WTimeoutError": errors.DatabaseTimeout,
    "WriteError": errors.DatabaseError,
    "DuplicateKeyError": errors.DuplicateKey,
    "BulkWriteError": errors.DatabaseError,
    "ClientBulkWriteException": errors.DatabaseError,
    "InvalidOperation": errors.DatabaseError,
    "InvalidName": errors.UsageError,
    "CollectionInvalid": errors.Conflict,
    "EncryptionError": errors.DatabaseError,
    "EncryptedCollectionError": errors.DatabaseError,
    "DocumentTooLarge": errors.DocumentTooLarge,
    "BSONError": errors.InvalidDocument,
    "InvalidBSON": errors.DatabaseError,
    "InvalidStringData": errors.InvalidDocument,
    "InvalidDocument": errors.InvalidDocument,
    "InvalidId": errors.BadId,
}


def driver_classes() -> Iterator[type[Exception]]:
    for module in (pymongo_errors, bson_errors):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Exception):
                yield value


def an_instance(kind: type[Exception]) -> Exception:
    if kind is pymongo_errors.BulkWriteError:
        return pymongo_errors.BulkWriteError({})
    if kind is pymongo_errors.ClientBulkWriteException:
        return pymongo_errors.ClientBulkWriteException({}, False)
    if kind in (pymongo_errors.EncryptionError, pymongo_errors.EncryptedCollectionError):
        cause = RuntimeError("the key is not there")
        if kind is pymongo_errors.EncryptionError:
            return pymongo_errors.EncryptionError(cause)
        return pymongo_errors.EncryptedCollectionError(cause, {})
    return kind("mongodb://ada:s3cret@db.example/ said no")


@pytest.mark.parametrize("kind", list(driver_classes()), ids=lambda kind: kind.__name__)
def test_every_class_of_the_driver_is_mapped(kind: type[Exception]) -> None:
    assert kind in MEANINGS, "a new class of the driver: give it a meaning in meanings.py, and here"
    with pytest.raises(errors.DatactlError) as caught, mapping_errors("reading posts"):
        raise an_instance(kind)
    error = caught.value
    assert type(error) is EXPECTED[kind.__name__]
    assert isinstance(error.__cause__, kind)
    assert "s3cret" not in str(error.as_dict())
    assert error.what
    assert error.why


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://ada:s3cret@db.example:27017/shop",
        "mongodb://db.example/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret",
        "mongodb://db.example/?tlsCertificateKeyFilePassword=s3cret&w=1",
        "mongodb+srv://db.example/?tls=true;TLSCERTIFICATEKEYFILEPASSWORD=s3cret",
        "mongodb://db.example/?someNewPassword=s3cret",
        "mongodb://ada:pass?s3cret@db.example/",
        "http://ada:s3cret@db.example/",
    ],
)
@pytest.mark.parametrize("sentence", ["cannot use {}", "'{}' is not valid, see the manual", '("{}",)', "{}: timed out"])
def test_no_secret_of_a_uri_is_in_the_drivers_words(uri: str, sentence: str) -> None:
    error = as_datactl(pymongo_errors.ConfigurationError(sentence.format(uri)), "working")
    assert "s3cret" not in str(error.as_dict())
    assert error.why is not None
    assert error.why.endswith(sentence.partition("{}")[2])


def test_the_drivers_word_about_schemes_stays() -> None:
    said = "Invalid URI scheme: URI must begin with 'mongodb://' or 'mongodb+srv://'"
    assert as_datactl(pymongo_errors.InvalidURI(said), "working").why == said


def test_nothing_is_expected_that_the_driver_does_not_have() -> None:
    assert set(EXPECTED) == {kind.__name__ for kind in driver_classes()}


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (13, "not authorized on admin", errors.NotPermitted),
        (18, "Authentication failed.", errors.AuthenticationFailed),
        (20, "Transaction numbers are only allowed on a replica set member or mongos", errors.NoTransactions),
        (20, "Cannot drop the admin database", errors.DatabaseError),
        (26, "ns not found", errors.NotFound),
        (50, "operation exceeded time limit", errors.DatabaseTimeout),
        (85, "Index already exists with a different name", errors.Conflict),
        (91, "The server is in quiesce mode", errors.CannotConnect),
        (112, "WriteConflict", errors.WriteConflict),
        (121, "Document failed validation", errors.DocumentRejected),
        (251, "Transaction 1 has been aborted", errors.WriteConflict),
        (8000, "bad auth", errors.AuthenticationFailed),
        (10334, "object to insert too large", errors.DocumentTooLarge),
        (11000, "E11000 duplicate key error", errors.DuplicateKey),
        (51091, "Regular expression is invalid: missing )", errors.FilterError),
        (17419, "Resulting document after update is larger than 16777216", errors.DocumentTooLarge),
        (4711, "never heard of", errors.DatabaseError),
    ],
)
def test_a_server_code_has_its_meaning(code: int, message: str, expected: type[errors.DatactlError]) -> None:
    details = {"code": code, "errmsg": message, "codeName": "Name"}
    assert type(as_datactl(pymongo_errors.OperationFailure(message, code, details), "working")) is expected
    assert code == 4711 or code in SERVER_CODES
    in_bulk = pymongo_errors.BulkWriteError({"writeErrors": [{"index": 0, **details}]})
    assert type(as_datactl(in_bulk, "working")) is expected
    in_client_bulk = pymongo_errors.ClientBulkWriteException({"error": None, "writeErrors": [details]}, False)
    assert type(as_datactl(in_client_bulk, "working")) is expected
    at_the_top = pymongo_errors.ClientBulkWriteException(
        {"error": pymongo_errors.OperationFailure(message, code, details), "writeErrors": []}, False
    )
    assert type(as_datactl(at_the_top, "working")) is expected


@pytest.mark.parametrize("code", [2, 14, 28, 40, 66])
def test_a_write_that_the_document_does_not_take_is_that_documents_fault(code: int) -> None:
    message = 'Plan executor error during update :: caused by :: Cannot create field in element {a: "s3cret}", b: 1}'
    details = {"code": code, "errmsg": message}
    for raised in (
        pymongo_errors.WriteError(message, code, details),
        pymongo_errors.BulkWriteError({"writeErrors": [{"index": 0, **details}]}),
        pymongo_errors.ClientBulkWriteException({"error": None, "writeErrors": [details]}, False),
    ):
        error = as_datactl(raised, "writing")
        assert type(error) is errors.DocumentRejected
        assert error.why == "Cannot create field in element {...}"
    # Of a command as a whole the code says nothing of a document.
    whole = as_datactl(pymongo_errors.OperationFailure(message, code, details), "reading")
    assert type(whole) is errors.DatabaseError
    assert code in UPDATE_CODES


def test_the_remedy_of_a_standalone_is_one_line() -> None:
    message = "Transaction numbers are only allowed on a replica set member or mongos"
    error = as_datactl(pymongo_errors.OperationFailure(message, 20), "working")
    assert error.exit_code == 4
    assert "rs.initiate()" in str(error.next)
    assert "\n" not in str(error.next)


def test_a_write_concern_error_of_a_bulk_is_told_too() -> None:
    unconfirmed = {"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}
    error = as_datactl(pymongo_errors.BulkWriteError({"writeErrors": [], "writeConcernErrors": [unconfirmed]}), "x")
    assert type(error) is errors.DatabaseTimeout
    assert "not confirmed" in error.what


def test_labels_are_found_inside_bulk_errors_and_behind_mapped_ones() -> None:
    inner = pymongo_errors.OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]})
    outer = pymongo_errors.ClientBulkWriteException({"error": inner, "writeErrors": []}, False)
    assert first_failure(outer) is inner
    with pytest.raises(errors.WriteConflict) as caught, mapping_errors("working"):
        raise outer
    assert has_label(caught.value, "TransientTransactionError")
    assert not has_label(errors.WriteConflict("by hand"), "TransientTransactionError")


@pytest.mark.parametrize(
    "value",
    [2**70, "\ud800", {1, 2}, {"a\0b": 1}, object()],
    ids=["beyond 64 bits", "lone surrogate", "a set", "NUL in a key", "an object"],
)
def test_a_value_that_bson_cannot_hold_is_an_invalid_document(value: Any) -> None:
    with pytest.raises(errors.InvalidDocument), mapping_errors("writing"):
        bson.encode({"a": value})


class TestFromAServer:
    def test_a_duplicate_key_names_collection_index_field_and_value(self, mongo: Mongo) -> None:
        products = mongo.collection("products")
        products.create_index([("sku", 1)], name="sku_1", unique=True)
        products.insert_one({"sku": "A-1"})
        model = InsertOne({"sku": "A-1"}, namespace=mongo.namespace("products"))
        for write in (
            lambda: products.insert_one({"sku": "A-1"}),
            lambda: products.bulk_write([InsertOne({"sku": "A-1"})]),
            lambda: mongo.bulk_write([model]),
        ):
            with pytest.raises(errors.DuplicateKey) as caught, mapping_errors("writing"):
                write()
            assert "products already has a document with sku = 'A-1'" in caught.value.what
            assert caught.value.details == {"collection": "products", "index": "sku_1", "key": {"sku": "A-1"}}

    def test_a_validators_refusal_names_each_field_and_no_value(self, mongo: Mongo) -> None:
        schema = {
            "bsonType": "object",
            "required": ["title", "author"],
            "properties": {
                "price": {"bsonType": "double", "minimum": 0},
                "address": {"bsonType": "object", "properties": {"zip": {"bsonType": "string"}}},
            },
        }
        mongo.database.create_collection("products", validator={"$jsonSchema": schema})
        with pytest.raises(errors.DocumentRejected) as caught, mapping_errors("writing"):
            mongo.collection("products").insert_one({"title": "x", "price": "s3cret", "address": {"zip": 12345}})
        assert {problem.where for problem in caught.value.problems} == {"/author", "/price", "/address/zip"}
        assert "s3cret" not in str(caught.value.as_dict())
        assert "12345" not in str(caught.value.as_dict())

    def test_a_document_beyond_16_mib_is_too_large(self, mongo: Mongo) -> None:
        for size in (16 * 1024 * 1024, 60 * 1024 * 1024):
            with pytest.raises(errors.DocumentTooLarge), mapping_errors("writing"):
                mongo.collection("posts").insert_one({"body": "x" * size})
        with pytest.raises(errors.DocumentTooLarge):
            mongo.bulk_write([InsertOne({"body": "x" * 16 * 1024 * 1024}, namespace=mongo.namespace("posts"))])
