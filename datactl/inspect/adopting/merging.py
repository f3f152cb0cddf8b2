"""Three-way merge of models.yaml: what was guessed last, the file as it stands, and what is guessed now.

Each key is decided alone: what its owner has not touched follows the database; what was edited stays, and is reported
where the database went another way. Nothing that the file declares is taken out. Lines that are not changed keep every
byte; a field whose options are partly its owner's is edited in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datactl.inspect.adopting.editing import edit_options
from datactl.inspect.adopting.pieces import Piece, Pieces, collections_of, read_pieces, split_comment
from datactl.inspect.adopting.remarks import merged_remarks, opening
from datactl.inspect.adopting.settling import alike, as_options, settled, shows_no_more
from datactl.inspect.adopting.writing import EVIDENCE_COLUMN, flow

_ALIASES = {"enableTimestamps": "timestamps"}
_BLOCKS = ("fields", "indexes", "collection")


@dataclass(frozen=True, slots=True)
class Conflicting:
    """A place where the file was edited and the database says otherwise: the file's side was kept."""

    where: str
    kept: str
    found: str


def merge_models(base: str, current: str, now: str, exact: frozenset[str]) -> tuple[str, tuple[Conflicting, ...]]:
    """The merged text and its conflicts. `exact`: the collections that were read in full. `base` may be empty."""
    merge = _Merge(read_pieces(base), read_pieces(current), read_pieces(now), exact)
    merge.run()
    ending = "\r\n" if "\r\n" in current else "\n"
    return ending.join(merge.lines()) + ending, tuple(merge.conflicts)


@dataclass(frozen=True, slots=True)
class _Edit:
    """Lines that stand for `start` to `end`. Of several that come in at one line the innermost come first."""

    start: int
    end: int
    lines: list[str]
    column: int


class _Merge:
    def __init__(self, base: Pieces, current: Pieces, now: Pieces, exact: frozenset[str]) -> None:
        self.base, self.current, self.now = base, current, now
        self.conflicts: list[Conflicting] = []
        self._exact = exact
        self._edits: list[_Edit] = []
        self._added: list[Piece] = []  # models that are new
        self._is_exact = True  # every document of the model at hand was read
        self._renamed: dict[str, str] = {}  # the name of a model in the base -> its name in the file

    def lines(self) -> list[str]:
        """The current lines with every edit made, from the last to the first."""
        lines = list(self.current.lines)
        in_order = sorted(self._edits, key=lambda edit: (edit.start, edit.end, -edit.column))
        for edit in in_order[::-1]:
            lines[edit.start : edit.end] = edit.lines
        return lines

    def run(self) -> None:
        olds, own, news = (collections_of(pieces) for pieces in (self.base, self.current, self.now))
        self._renamed = {olds[each].name: own[each].name for each in olds if each in own}
        self._head()
        in_block = bool(own)
        for collection, new in news.items():
            if collection in own:
                self._is_exact = collection in self._exact
                self._model(olds.get(collection), own[collection], new)
            elif collection in olds:
                self._conflict(new.name, "taken out of the file", "still in the database")
            elif "models" in self.current.top and self.current.top["models"].plain and not in_block:
                self._conflict(new.name, "models are written in one line", "not added")
            else:
                self._added.append(new)
        self._models()

    # -- the whole

    def _head(self) -> None:
        """The comment at the top of the file."""
        mine, olds, news = (opening(pieces.lines) for pieces in (self.current, self.base, self.now))
        if olds:
            self._edit(0, len(mine), merged_remarks(olds, mine, news))

    def _models(self) -> None:
        """The new models behind those that stand."""
        models = self.current.top.get("models")
        text = [line for new in self._added for line in ("", *self.now.lines[new.start : new.end])]
        if not text:
            return
        if models is None:
            self._edit(len(self.current.lines), len(self.current.lines), ["", "models:", *text])
        elif not models.inner:
            self._edit(models.line, models.line + 1, ["models:", *text])
        else:
            column = next(iter(models.inner.values())).column
            self._edit(models.end, models.end, _shifted(text, self._added[0].column, column), column)

    def _conflict(self, where: str, kept: Any, found: Any) -> None:
        self.conflicts.append(Conflicting(where, _shown(kept), _shown(found)))

    def _edit(self, start: int, end: int, lines: list[str], column: int = 0) -> None:
        if self.current.lines[start:end] != lines or start == end:
            self._edits.append(_Edit(start, end, lines, column))

    # -- one model

    def _model(self, old: Piece | None, own: Piece, new: Piece) -> None:
        if old is not None:
            remarks = (self.base.above(old), self.current.above(own), self.now.above(new))
            self._edit(own.start, own.line, merged_remarks(*remarks, own.column, exact=self._is_exact))
        mine = own.inner.get("fields")
        if not own.inner or (mine is not None and mine.plain and not mine.inner):
            if own.plain != new.plain:
                self._conflict(own.name, "written in one line", "not merged")
            return
        olds = old.inner if old is not None else {}
        for name, piece in new.inner.items():
            if name in _BLOCKS:
                continue
            if name in own.inner:
                self._option(f"{own.name}.{name}", olds.get(name), own.inner[name], piece)
            elif name not in olds and _ALIASES.get(name) not in own.inner:
                self._insert(self._place_of_options(own), piece, self._column(own))
        self._indexes(old, own, new)
        self._fields_of_model(olds.get("fields"), own, new.inner["fields"])

    def _place_of_options(self, own: Piece) -> int:
        """Where a new option stands: before the indexes and fields."""
        return min((own.inner[name].start for name in ("indexes", "fields") if name in own.inner), default=own.end)

    def _column(self, own: Piece) -> int:
        return next(iter(own.inner.values())).column

    def _option(self, where: str, old: Piece | None, own: Piece, new: Piece) -> None:
        if own.plain == new.plain:
            self._comment(old, own, new)
        elif old is not None and own.plain == old.plain:
            self._edit(own.line, own.end, self._text_of(new, own.column))
        elif old is None or old.plain != new.plain:
            self._conflict(where, own.plain, new.plain)

    def _indexes(self, old: Piece | None, own: Piece, new: Piece) -> None:
        news = new.inner.get("indexes")
        if news is None:
            return
        olds = _by_keys(old.inner.get("indexes") if old is not None else None)
        mine = own.inner.get("indexes")
        known = _by_keys(mine)
        added: list[str] = []
        for keys, (place, declared) in _by_keys(news).items():
            text = self.now.lines[news.items[place] : news.items[place + 1]]
            if keys not in known and keys not in olds and not _otherwise_declared(own, keys):
                added += text
            elif mine is not None and keys in known and known[keys][1] != declared:
                before = olds[keys][1] if keys in olds else None
                self._index(f"{own.name}.indexes {_shown(dict(keys))}", before, mine, known[keys], declared, text)
        if not added:
            return
        if mine is None:
            column = self._column(own)
            lines = [f"{' ' * column}indexes:", *_shifted(added, 6, column + 2)]
            self._edit(self._place_of_options(own), self._place_of_options(own), lines, column)
        elif mine.items:
            column = self._column_of_items(mine)
            self._edit(mine.end, mine.end, _shifted(added, 6, column), column)
        elif not mine.plain:
            lines = [f"{' ' * mine.column}indexes:", *_shifted(added, 6, mine.column + 2)]
            self._edit(mine.line, mine.line + 1, lines)
        else:
            self._conflict(f"{own.name}.indexes", "written in one line", f"{len(added)} more in the database")

    def _index(
        self, where: str, before: Any, mine: Piece, standing: tuple[int, Any], declared: Any, text: Sequence[str]
    ) -> None:
        """An index of the same keys with other options."""
        place, own = standing
        if own == before and mine.items:
            start, end = mine.items[place], mine.items[place + 1]
            while self.current.lines[end - 1].strip().startswith("#") or not self.current.lines[end - 1].strip():
                end -= 1  # what stands above the next one is the next one's
            self._edit(start, end, _shifted(text, 6, self._column_of_items(mine)))
        elif before != declared:
            self._conflict(where, own, declared)

    def _column_of_items(self, indexes: Piece) -> int:
        if not indexes.items:
            return indexes.column + 2
        line = self.current.lines[indexes.items[0]]
        return len(line) - len(line.lstrip(" "))

    # -- fields

    def _fields_of_model(self, old: Piece | None, own: Piece, new: Piece) -> None:
        mine = own.inner.get("fields")
        if mine is None:
            self._insert(own.end, new, self._column(own))
        elif mine.inner:
            self._fields(own.name, old, mine, new)
        elif not mine.plain and new.inner:
            self._edit(mine.line, mine.line + 1, [f"{' ' * mine.column}fields:"])
            for piece in new.inner.values():
                self._insert(mine.line + 1, piece, mine.column + 2)

    def _fields(self, where: str, old: Piece | None, own: Piece, new: Piece) -> None:
        olds = old.inner if old is not None else {}
        for name, piece in new.inner.items():
            if name in own.inner:
                self._field(f"{where}.{name}", olds.get(name), own.inner[name], piece)
            elif name not in olds:
                self._insert(own.end, piece, self._column(own))
            elif self._value(olds[name]) != piece.plain:
                self._conflict(f"{where}.{name}", "taken out of the file", piece.plain)

    def _field(self, where: str, old: Piece | None, own: Piece, new: Piece) -> None:
        mine, found = own.plain, new.plain
        before = self._value(old) if old is not None else None
        if mine == found:
            self._comment(old, own, new)
            self._inner_comments(old, own, new)
            return
        if _is_nested(mine) and _is_nested(found) and own.inner and new.inner:
            self._comment(old, own, new)
            self._fields(where, old if old is not None and _is_nested(before) else None, own, new)
            return
        was, options, now = as_options(before), as_options(mine), as_options(found)
        if was is None or options is None or now is None:
            self._whole(where, before, mine, found, own, new)
            return
        target = settled(was, now, exact=self._is_exact)
        if options == was and target == now:
            self._edit(own.line, own.end, self._replaced(own, new))
        else:
            self._options(where, was, options, target, old, own, new)

    def _whole(self, where: str, before: Any, mine: Any, found: Any, own: Piece, new: Piece) -> None:
        if before is not None and mine == before:
            self._edit(own.line, own.end, self._replaced(own, new))
        elif before != found:
            self._conflict(where, mine, found)

    def _options(
        self,
        where: str,
        was: Mapping[str, Any],
        options: Mapping[str, Any],
        target: Mapping[str, Any],
        old: Piece | None,
        own: Piece,
        new: Piece,
    ) -> None:
        """Option by option: what its owner has not touched follows the database."""
        if was.get("type") != target.get("type") != options.get("type"):
            # Which options fit depends on the type: beside an edited one the type is not exchanged.
            self._conflict(f"{where}.type", options["type"], target["type"])
            return
        changes: dict[str, Any] = {}
        removed: list[str] = []
        for option in dict.fromkeys([*was, *target]):
            before, mine, found = was.get(option), options.get(option), target.get(option)
            if mine == found or before == found:
                continue
            if mine != before or options["type"] != target["type"]:
                self._conflict(f"{where}.{option}", mine, found)
            elif found is None:
                removed.append(option)
            else:
                changes[option] = found
        if not changes and not removed:
            self._comment(old, own, new)
            return
        head, comment = split_comment(self.current.lines[own.line])
        prefix, first = head[: own.column], head[own.column :]
        inner = [line[own.column :] for line in self.current.lines[own.line + 1 : own.end]]
        edited = edit_options([first, *inner], changes, removed)
        behind = self._merged_comment(old, comment, new)
        same = edited[0] == first and behind == comment
        head = self.current.lines[own.line] if same else _behind(prefix + edited[0], behind)
        text = [head, *(" " * own.column + line for line in edited[1:])]
        self._edit(own.line, own.end, text)

    def _value(self, piece: Piece) -> Any:
        """A declaration of the base, with the models named as the file names them now."""
        return _renamed(piece.plain, self._renamed)

    # -- comments and text

    def _comment(self, old: Piece | None, own: Piece, new: Piece) -> None:
        code, comment = split_comment(self.current.lines[own.line])
        merged = self._merged_comment(old, comment, new)
        if merged != comment:
            self._edit(own.line, own.line + 1, [_behind(code, merged)])

    def _inner_comments(self, old: Piece | None, own: Piece, new: Piece) -> None:
        for name, piece in new.inner.items():
            if name in own.inner:
                inner = old.inner.get(name) if old is not None else None
                self._comment(inner, own.inner[name], piece)
                self._inner_comments(inner, own.inner[name], piece)

    def _merged_comment(self, old: Piece | None, comment: str, new: Piece) -> str:
        """The evidence of today where the comment is still the evidence of last time, and something moved."""
        if old is None:
            return comment
        before, now = self.base.comment(old), self.now.comment(new)
        if comment != before or alike(before, now, exact=self._is_exact):
            return comment
        return comment if not self._is_exact and shows_no_more(before, now) else now

    def _insert(self, at: int, piece: Piece, column: int) -> None:
        self._edit(at, at, self._text_of(piece, column), column)

    def _text_of(self, piece: Piece, column: int) -> list[str]:
        lines = list(self.now.lines[piece.line : piece.end])
        lines[0] = " " * piece.column + lines[0][piece.column :]  # the first key of a list's item stands behind a dash
        return _shifted(lines, piece.column, column)

    def _replaced(self, own: Piece, new: Piece) -> list[str]:
        text = self._text_of(new, own.column)
        text[0] = self.current.lines[own.line][: own.column] + text[0][own.column :]
        return text


def _is_nested(declared: Any) -> bool:
    if isinstance(declared, list) and len(declared) == 1 and isinstance(declared[0], Mapping):
        return as_options(declared[0]) is None
    return as_options(declared) is None


def _by_keys(indexes: Piece | None) -> dict[tuple[tuple[str, Any], ...], tuple[int, Any]]:
    """The keys of each index of a list -> its place in it, and what it declares."""
    declared = indexes.plain if indexes is not None else None
    return {
        tuple((each.get("fields") or each.get("keys") or {}).items()): (place, each)
        for place, each in enumerate(declared or ())
        if isinstance(each, Mapping)
    }


def _otherwise_declared(own: Piece, keys: tuple[tuple[str, Any], ...]) -> bool:
    """Whether a model asks for an index of these keys in other words: with uniqueFields, or textSearchFields."""
    unique = own.inner["uniqueFields"].plain if "uniqueFields" in own.inner else None
    text = "textSearchFields" in own.inner and any(kind == "text" for _, kind in keys)
    return text or (len(keys) == 1 and keys[0][0] in (unique or ()) and keys[0][1] == 1)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: names.get(inner, inner) if name == "ref" and isinstance(inner, str) else _renamed(inner, names)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return value


def _shifted(lines: Iterable[str], column: int, to: int) -> list[str]:
    """Lines that begin at a column, moved to another one."""
    return [(" " * (to - column) + line if to >= column else line[column - to :]) if line else line for line in lines]


def _behind(code: str, comment: str) -> str:
    return f"{code:<{EVIDENCE_COLUMN}} # {comment}" if comment else code


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else flow(value)
