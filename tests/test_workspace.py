"""A workspace: opens late, closes what it opened, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from datactl.errors import CannotConnect, ConfigError, NotInitialised
from datactl.records import Repository
from datactl.workspace import Workspace

MODELS = "models:\n  Post:\n    fields: {title: {type: string, required: true}}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("DATACTL_URI", "MONGODB_URI", "DATACTL_ENGINE", "DATACTL_MODELS", "DATACTL_VAULT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "models.yaml").write_text(MODELS)
    return tmp_path


def test_models_are_read_while_the_database_does_not_answer(project: Path) -> None:
    with Workspace.open(uri="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50", cwd=project) as workspace:
        assert list(workspace.registry) == ["Post"]
        with pytest.raises(CannotConnect):
            workspace.repository("Post")


def test_without_a_database_it_says_what_to_do(project: Path) -> None:
    with Workspace.open(cwd=project) as workspace, pytest.raises(NotInitialised) as caught:
        _ = workspace.mongo
    assert "DATACTL_URI" in str(caught.value.next)
    assert "init --local" in str(caught.value.next)


def test_without_a_models_file_it_is_not_initialised(project: Path) -> None:
    (project / "models.yaml").unlink()
    with Workspace.open(cwd=project) as workspace, pytest.raises(NotInitialised):
        _ = workspace.registry


def test_a_repository_of_ones_own_class_and_the_settings_actor(
    project: Path, engine_uri: str, request: pytest.FixtureRequest
) -> None:
    class Posts(Repository):
        def titles(self) -> list[str]:
            return [post["title"] for post in self.find(sort="title")]

    name = f"w_{abs(hash(request.node.nodeid)):x}"
    with Workspace.open(uri=engine_uri, database=name, actor="maria", cwd=project) as workspace:
        posts = workspace.repository("post", Posts)
        posts.create_many([{"title": "b"}, {"title": "a"}])
        assert posts.titles() == ["a", "b"]
        (event, _) = workspace.mongo.collection("outboxes").find()
        assert event["actor"] == "maria"
        workspace.mongo.client.drop_database(name)


def test_closing_closes_the_connection_and_it_opens_again(project: Path, engine_uri: str) -> None:
    workspace = Workspace.open(uri=engine_uri, database="w_again", cwd=project)
    first = workspace.mongo
    workspace.close()
    workspace.close()
    assert workspace.mongo is not first
    workspace.mongo.ping()
    workspace.close()


def test_an_address_of_unknown_kind_is_refused(project: Path) -> None:
    with Workspace.open(vault="ftp://host/x", cwd=project) as workspace, pytest.raises(ConfigError, match="ftp"):
        _ = workspace.vault
