"""The tables of docs/models.md, made from the tables that read models.yaml.

`python -m datactl.schema.reference < docs/models.md` prints the page with its tables made anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from datactl.schema.codes import DECLARATION_CODES, DOCUMENT_CODES
from datactl.schema.options import RESERVED_MODEL_NAMES, TABLES
from datactl.schema.shapes import Option
from datactl.schema.types import BSON_ALIASES, TYPE_TABLE

_BLOCK = re.compile(r"(<!-- made: (?P<name>[\w.]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refresh(page: str) -> str:
    """The page with every block between `<!-- made: NAME -->` and `<!-- end -->` made anew. KeyError: no such table."""
    tables = _tables()
    return _BLOCK.sub(lambda found: f"{found[1]}\n{tables[found['name']]}\n{found[3]}", page)


def table_names(page: str) -> list[str]:
    """The blocks of a page, in order."""
    return [found["name"] for found in _BLOCK.finditer(page)]


def all_tables() -> list[str]:
    """The names of every table there is: a page that lacks one is incomplete."""
    return list(_tables())


def _tables() -> dict[str, str]:
    made = {name: _options(options) for name, options in TABLES}
    made["types"] = _types()
    made["reserved"] = ", ".join(f"`{name}`" for name in RESERVED_MODEL_NAMES) + "\n"
    made["codes"] = _rows(("code", "what is wrong"), ((f"`{code}`", what) for code, what in DECLARATION_CODES.items()))
    made["document_codes"] = _rows(
        ("code", "what is wrong"), ((f"`{code}`", what) for code, what in DOCUMENT_CODES.items())
    )
    return made


def _options(options: Iterable[Option]) -> str:
    return _rows(
        ("option", "what it does", "value", "default"),
        ((_names(option), _with_example(option), option.shape.words, _default(option)) for option in options),
    )


def _names(option: Option) -> str:
    return ", ".join(f"`{name}`" for name in (option.name, *option.aliases))


def _with_example(option: Option) -> str:
    return f"{option.summary} Example: `{option.example}`" if option.example else option.summary


def _default(option: Option) -> str:
    if option.shown_default:
        return option.shown_default
    if option.default is None:
        return ""
    return f"`{str(option.default).lower() if isinstance(option.default, bool) else option.default}`"


def _types() -> str:
    return _rows(
        ("type", "holds", "other spellings", "stored as"),
        (
            (
                f"`{kind.value}`",
                what,
                ", ".join(f"`{other}`" for other in others),
                ", ".join(BSON_ALIASES[kind]) or "any type",
            )
            for kind, (what, others) in TYPE_TABLE.items()
        ),
    )


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    import sys

    sys.stdout.write(refresh(sys.stdin.read()))
