"""What is made from tables is committed as it is made; its links lead somewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import datactl.reference.made
from datactl.cli import WORDS
from datactl.errors import EXIT_CODES, ConfigError
from datactl.reference import made
from datactl.reference.__main__ import main
from datactl.reference.made import MANUALS, MODELS_PAGE
from datactl.reference.markdown import anchor, table
from datactl.reference.words import ALIASES, described
from datactl.settings import SETTINGS, Settings, variables

ROOT = Path(__file__).parents[2]
FILES = made(ROOT)
PAGES = sorted(path for path in ROOT.glob("docs/*.md"))
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_committed_file_is_the_made_one(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == FILES[path], f"{Path(sys.executable).name} -m datactl.reference"


def test_there_is_no_manual_of_a_word_that_went() -> None:
    assert {path.name for path in (ROOT / MANUALS).iterdir()} == {
        "datactl.1",
        *(f"datactl-{word}.1" for word in WORDS),
    }


def test_one_command_writes_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / MODELS_PAGE).parent.mkdir(parents=True)
    (tmp_path / MODELS_PAGE).write_text((ROOT / MODELS_PAGE).read_text())
    (tmp_path / MANUALS).mkdir(parents=True)
    (tmp_path / MANUALS / "datactl-gone.1").write_text("old")
    main(tmp_path)
    said = capsys.readouterr().out
    assert f"removed {MANUALS}/datactl-gone.1" in said
    assert {path: (tmp_path / path).read_text(encoding="utf-8") for path in FILES} == FILES
    main(tmp_path)
    assert capsys.readouterr().out == ""


def headings(page: Path) -> set[str]:
    return {anchor(line.lstrip("#").strip()) for line in page.read_text().splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings_that_are_there(page: Path) -> None:
    for link in _LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        assert target.exists(), link
        assert not heading or heading in headings(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_a_page_names_is_one(page: Path) -> None:
    words = {" ".join(each.path) for word in described() for each in word.with_words()} | set(ALIASES)
    grouped = {word.path[0] for word in described() if word.words}
    for first, second in re.findall(
        r"(?:^|[`$] ?)datactl ([a-z]+)(?: ([a-z]+)\b(?![:/.]))?", page.read_text(), re.MULTILINE
    ):
        assert first in words | {"fnd"}, f"datactl {first}"  # fnd: the example of a word that is none
        if first in grouped and second:
            assert f"{first} {second}" in words, f"datactl {first} {second}"


def test_the_settings_page_names_every_setting_and_every_variable() -> None:
    page = FILES[Path("docs/settings.md")]
    for setting in SETTINGS:
        assert f"| `{setting.name}` |" in page
    assert {"DATACTL_URI_FILE", "DATACTL_URI_COMMAND", "ARCHIVE_RETENTION_DAYS"} <= variables()


def test_the_example_of_profiles_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", FILES[Path("docs/settings.md")], re.DOTALL)
    (tmp_path / "models.yaml").write_text(block)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/staging-uri").write_text("mongodb://staging.example/shop")
    nothing = {"HOME": str(tmp_path)}
    staging = Settings.load({"profile": "staging"}, env=nothing, cwd=tmp_path)
    assert (staging.target, staging.production, staging.archive_retention_days) == ("staging.example/shop", False, 90)
    prod = Settings.load({"profile": "prod", "uri": "mongodb://x/"}, env=nothing, cwd=tmp_path)
    assert (prod.production, prod.vault) == (True, "file:/srv/datactl/vault")
    with pytest.raises(ConfigError, match="command that gives a secret"):
        Settings.load({"profile": "prod"}, env={**nothing, "PATH": ""}, cwd=tmp_path)


def test_every_exit_code_stands_on_both_pages() -> None:
    for page in ("docs/errors.md", "docs/commands.md"):
        assert table(("code", "meaning"), [(str(n), meaning) for n, meaning in EXIT_CODES.items()]) in FILES[Path(page)]


def test_a_cell_keeps_its_table_whole() -> None:
    assert table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |\n"


def test_a_drift_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datactl.reference.settings_page, "SETTINGS", SETTINGS[:-1])
    assert made(ROOT)[Path("docs/settings.md")] != FILES[Path("docs/settings.md")]
