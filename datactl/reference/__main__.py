"""`python -m datactl.reference`: write all that is made from tables, and take away the manuals of words that went."""

from __future__ import annotations

import sys
from pathlib import Path

from datactl.reference.made import MANUALS, made


def main(root: Path) -> None:
    """Write what differs; one line for each file on stdout."""
    files = made(root)
    for path in sorted((root / MANUALS).glob("*.1")):
        if path.relative_to(root) not in files:
            path.unlink()
            sys.stdout.write(f"removed {path.relative_to(root)}\n")
    for path, text in files.items():
        file = root / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main(Path(__file__).parents[2])
