"""The comment lines above a key or a file, as remarks: which are their owner's, which last time's, which today's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datactl.inspect.adopting.settling import alike, without_figures


def opening(lines: Sequence[str]) -> list[str]:
    """The comment lines that a file begins with."""
    found: list[str] = []
    for line in lines:
        if not line.startswith("#"):
            break
        found.append(line)
    return found


def merged_remarks(
    before: Sequence[str], mine: Sequence[str], now: Sequence[str], column: int = 0, *, exact: bool = True
) -> list[str]:
    """Remarks above a key: its owner's stay, those of last time give way to today's, what was taken out stays out.

    Of a sample (not `exact`) a remark stays that today's sample does not repeat.
    """
    olds, own, news = _remarks(before), _remarks(mine), _remarks(now)
    kept: list[Sequence[str]] = []
    for remark in own:
        later = _same(news, remark)
        if _same(olds, remark) is None or (later is None and not exact):
            kept.append(remark)
        elif later is not None:
            kept.append(remark if alike(_said(remark), _said(later), exact=exact) else later)
    known = [*own, *olds]
    kept += [remark for remark in news if _same(known, remark) is None]
    return [f"{' ' * column}{line.strip()}" for remark in kept for line in remark]


def _remarks(lines: Iterable[str]) -> list[tuple[str, ...]]:
    """The remarks of a comment: a line, and those that go on with it, further in."""
    found: list[list[str]] = []
    for line in lines:
        if found and line.strip().startswith("#   "):
            found[-1].append(line)
        else:
            found.append([line])
    return [tuple(each) for each in found]


def _same(remarks: Iterable[Sequence[str]], wanted: Sequence[str]) -> Sequence[str] | None:
    """The remark that says the same but for its figures."""
    said = without_figures(_said(wanted))
    return next((remark for remark in remarks if without_figures(_said(remark)) == said), None)


def _said(remark: Sequence[str]) -> str:
    return " ".join(line.strip(" #") for line in remark)
