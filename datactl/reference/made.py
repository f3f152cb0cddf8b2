"""Everything in the repository that is made from tables: file -> text."""

from __future__ import annotations

from pathlib import Path

from datactl.cli import WORDS
from datactl.commands.completion import FILES
from datactl.commands.grammar import RootGroup
from datactl.commands.shells import SHELLS, script
from datactl.reference import commands_page, doctor_page, errors_page, settings_page, validate_page
from datactl.reference.manual import manuals
from datactl.schema import file_schema
from datactl.schema import reference as models_page

MODELS_PAGE = Path("docs/models.md")
MANUALS = Path("man/man1")


def made(root: Path) -> dict[Path, str]:
    """The files, by their path under `root`; of docs/models.md the prose is its own, the tables are made."""
    files = {
        Path("docs/commands.md"): commands_page.page(),
        Path("docs/settings.md"): settings_page.page(),
        Path("docs/errors.md"): errors_page.page(),
        Path("docs/doctor.md"): doctor_page.page(),
        Path("docs/validate.md"): validate_page.page(),
        MODELS_PAGE: models_page.refresh((root / MODELS_PAGE).read_text(encoding="utf-8")),
        Path("datactl/schema/models.schema.json"): file_schema.as_text(),
    }
    files |= {MANUALS / name: text for name, text in manuals().items()}
    tree = RootGroup(WORDS)
    files |= {Path("datactl/completions") / FILES[shell]: script(tree, shell) for shell in SHELLS}
    return files
