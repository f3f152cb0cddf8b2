"""Every kind of fault, seeded into a database, is found once, for its reason; nothing else is.

The database has 20,000 documents; a smaller one is looked at where the engine is the slower one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from bson import ObjectId

from datactl.inspect.findings import Finding
from datactl.inspect.validating import CHECKS
from datactl.mongo import open_mongo
from tests.inspect.validating.collection_faults import COLLECTION_FAULTS
from tests.inspect.validating.past_faults import PAST_FAULTS
from tests.inspect.validating.project import Project, build
from tests.inspect.validating.seeding import Expected, Seeder

FAULTS = COLLECTION_FAULTS | PAST_FAULTS


class Seeded(NamedTuple):
    project: Project
    size: int
    documents: int
    clean: list[Finding]
    expected: dict[str, Expected]
    found: list[Finding]


pytestmark = pytest.mark.xdist_group("seeded faults")

SIZES = [pytest.param(1_000, id="small"), pytest.param(20_000, id="large", marks=pytest.mark.real)]


@pytest.fixture(scope="module", params=SIZES)
def seeded(
    request: pytest.FixtureRequest, engine_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seeded]:
    with open_mongo(engine_uri, f"t_{ObjectId()}") as mongo:
        project = build(mongo, tmp_path_factory.mktemp("project") / "vault", request.param)
        documents = sum(project.rows(model).count_documents({}) for model in project.registry)
        clean = project.findings()
        seeder = Seeder(project)
        expected = {name: seed(seeder) for name, seed in FAULTS.items()}
        yield Seeded(project, request.param, documents, clean, expected, project.findings())
        mongo.client.drop_database(mongo.database.name)


def _is(found: Finding, expected: Expected) -> bool:
    same = (found.check, found.code, found.model, found.where)
    return same == (expected.check, expected.code, expected.model, expected.where) and all(
        word in found.what for word in expected.says
    )


def test_nothing_is_found_in_a_clean_database(seeded: Seeded) -> None:
    assert seeded.documents >= seeded.size
    assert seeded.clean == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_once_for_its_reason(seeded: Seeded, name: str) -> None:
    expected = seeded.expected[name]
    same_place = [found for found in seeded.found if (found.model, found.where) == (expected.model, expected.where)]
    assert [found for found in same_place if _is(found, expected)] == same_place
    assert len(same_place) == 1


def test_nothing_else_is_found(seeded: Seeded) -> None:
    assert len(FAULTS) >= 40
    assert [found for found in seeded.found if not any(_is(found, one) for one in seeded.expected.values())] == []
    assert len(seeded.found) == len(FAULTS)


def test_every_finding_is_of_a_code_that_is_described_and_says_what_to_do(seeded: Seeded) -> None:
    assert {found.check for found in seeded.found} == set(CHECKS)
    for found in seeded.found:
        assert found.code in CHECKS[found.check].codes
        assert found.next
        assert "{" not in found.next


def test_no_secret_value_is_told(seeded: Seeded) -> None:
    told = " ".join(f"{found.what} {found.next} {found.where}" for found in seeded.found)
    for secret in ("shared@example.com", "other@example.com", "p303@example.com", "123454321", "abc "):
        assert secret not in told


def test_a_check_alone_finds_what_it_leaves_to_others_in_company(seeded: Seeded) -> None:
    for name in CHECKS:
        together = {repr(found) for found in seeded.found if found.check == name}
        alone = {repr(found) for found in seeded.project.findings(only=name)}
        assert together <= alone
        left = len(alone - together)
        # Three values and marks that are broken and were written outside, two documents that are archived too.
        assert left == (5 if name == "outside-writes" else 0)
