"""From what was seen to fields: types by frequency, what is required, enums, nesting, maps; evidence for each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from datactl.inspect.adopting.evidence import evidence_of, number_word, time_facts, variety_facts
from datactl.inspect.adopting.guesses import FieldGuess, ModelGuess, of, share
from datactl.inspect.adopting.likely_secrets import secret_name
from datactl.inspect.adopting.observing import MAX_KEYS, Seen, absorbed
from datactl.inspect.adopting.sampling import Sample

MOST_FIELDS = 200  # declared of one document or nested object; what is rarer is counted in a comment
_DOMINANT = 0.95  # a type that so many values have is the field's; below, the field is mixed
_ENOUGH = 10  # documents from which "always there" means required
_NEARLY = 0.05
_TELLING = 50
_MOST_TOLD = 8
_MOST_CHOICES = 12
_TIMES_SEEN = 8  # an enum's values come so often each, on average
_KEYS_OF_IDS = 8
_KEYS_OF_A_MAP = 30
_RARE_KEY = 0.2
_SECRET_SHARE = 0.5
_NUMBERS = ("int", "long", "double")
_TYPED = ("string", "bool", "date", "objectId", "uuid", "binary", "object", "array", "decimal", "number")

_ID_KEY = re.compile(
    r"([0-9a-f]{24}|[0-9a-fA-F-]{32,36}|-?\d+|\d{4}-\d\d(-\d\d)?|[^@\s]+@[^@\s]+|[A-Za-z]{1,12}[-_:]?\d+)\Z"
)
_CHOICE = re.compile(r"[A-Za-z][A-Za-z0-9 _./:+-]{0,29}\Z", re.ASCII)
_NUMBERED = re.compile(r"(\D*?)\d+\Z")
_FREE_WORDS_LIST = """
name title city town street address country first last description text comment note notes message subject body label
labels tag tags keyword keywords topic topics url path file filename email phone username login author
"""
_FREE_WORDS = frozenset(_FREE_WORDS_LIST.split())
_FRACTIONS = re.compile(
    r"(price|amount|total|balance|cost|fee|rate|ratio|score|weight|height|width|depth|length|lat|lng|lon|latitude|"
    r"longitude|percent|discount|tax|salary|distance|duration|average|avg|vat|margin)",
    re.IGNORECASE,
)


def declarable(name: str) -> bool:
    """Whether models.yaml can declare a field of this name, and an update address it."""
    return bool(name) and name[0] != "$" and "." not in name and "\0" not in name and name.isprintable()


class FieldInference:
    """Guesses the fields of one model and leaves what is worth a look in its notices."""

    def __init__(self, sample: Sample, guess: ModelGuess) -> None:
        self._sample = sample
        self._guess = guess
        self._nearly: list[str] = []  # fields that all but a few documents have

    def fields(self, reserved: Iterable[str]) -> list[FieldGuess]:
        """The fields of the document; `reserved` names (marks, timestamps, Mongoose's own) are left to datactl."""
        root = self._sample.root
        left = {*reserved, "_id"}
        kept = {name: seen for name, seen in root.children.items() if name not in left}
        found = self._members(kept, root.count, "")
        unread = root.unread + max(0, len(kept) - MOST_FIELDS)
        if unread:
            self._guess.options["additionalFields"] = (True, "there are more than are declared")
            self._guess.notice(
                "many_fields",
                "",
                f"more than {MOST_FIELDS:,} different fields: the {MOST_FIELDS:,} most frequent are declared",
                "data that is a field's name belongs into a map, or into a list",
            )
        if self._nearly:
            shown = ", ".join(self._nearly[:_MOST_TOLD])
            more = f", and {len(self._nearly) - _MOST_TOLD:,} more" if len(self._nearly) > _MOST_TOLD else ""
            self._guess.notice("nearly_always", "", f"nearly always there, but not quite: {shown}{more}")
        own = root.children.get("_id")
        key = self._id(own) if own is not None and own.kinds.keys() != {"objectId"} else None
        return [key, *found] if key is not None else found

    def _id(self, seen: Seen) -> FieldGuess:
        kind = self._kind(seen)
        if len(seen.kinds) > 1 and kind == "mixed":
            self._guess.notice("mixed_types", "_id", f"_id is {evidence_of(seen, seen.count, kind)}")
        if kind in ("array", "map"):
            kind = "mixed"
        guess = FieldGuess("_id", "_id", kind, evidence=evidence_of(seen, seen.count, kind))
        if kind == "object":
            guess.fields = self._members(seen.children, seen.kinds["object"], "_id.", in_id=True)
        return guess

    def _members(
        self, children: Mapping[str, Seen], base: int, prefix: str, *, in_id: bool = False
    ) -> list[FieldGuess]:
        bad = {name: seen.count for name, seen in children.items() if not declarable(name)}
        if bad:
            self._bad_names(bad, base, prefix)
        good = {name: seen for name, seen in children.items() if name not in bad}
        if len(good) > MOST_FIELDS:
            often = set(sorted(good, key=lambda name: -good[name].count)[:MOST_FIELDS])
            good = {name: good[name] for name in good if name in often}
        found = []
        for name, seen in good.items():
            if name == "_id" and prefix and not in_id and seen.kinds.keys() <= {"objectId"}:
                continue  # Mongoose gives one to every nested document
            found.append(self.field(name, f"{prefix}{name}", seen, base))
        return found

    def _bad_names(self, bad: Mapping[str, int], base: int, prefix: str) -> None:
        shown = ", ".join(f"{_shown(name)} ({share(count, base)})" for name, count in list(bad.items())[:5])
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        operators = any(name.startswith("$") for name in bad)
        self._guess.notice(
            "undeclarable_names",
            prefix.rstrip("."),
            f"fields that no update can address{f' in {prefix[:-1]}' if prefix else ''}: {shown}{more}",
            "an operator was stored as data: see which code wrote it"
            if operators
            else "rename them in the application",
        )

    def field(self, name: str, path: str, seen: Seen, base: int) -> FieldGuess:
        """One field; `base` is how many documents (nested objects, items) could have had it."""
        kind = self._kind(seen)
        if kind in ("int", "long") and _FRACTIONS.search(name):
            kind = "number"  # whole so far by chance: a price of 10 is one of 10.50 tomorrow
        guess = FieldGuess(name, path, kind)
        if base >= _ENOUGH and seen.given == base and kind not in ("object", "map"):
            guess.options["required"] = True
        secret = self._secret(name, seen, kind)
        if secret:
            guess.options["secret"] = True
        if kind == "string" and not secret and (choices := self._choices(name, seen)):
            guess.options["enum"] = choices
        if kind == "object":
            self._nest(guess, seen)
        elif kind == "map":
            guess.item = self._values_of_map(path, seen)
        elif kind == "array":
            self._list(guess, seen, secret=secret)
        guess.evidence = evidence_of(seen, base, guess.kind, secret=secret)
        if "." not in path and "$" not in path:
            facts = [*time_facts(self._sample, seen), *variety_facts(self._sample, seen)]
            guess.evidence += "".join(f"; {fact}" for fact in facts)
        self._notices(guess, seen, base, secret)
        return guess

    def _kind(self, seen: Seen) -> str:
        kinds = {kind: count for kind, count in seen.kinds.items() if kind != "null"}
        given = sum(kinds.values())
        if not given:
            return "mixed"
        grouped: dict[str, int] = {}
        for kind, count in kinds.items():
            group = "number" if kind in _NUMBERS or (kind == "decimal" and len(kinds) > 1) else kind
            grouped[group] = grouped.get(group, 0) + count
        group, count = max(grouped.items(), key=lambda each: each[1])
        if count < _DOMINANT * given or group not in _TYPED:
            return "mixed"
        if group == "number":
            return number_word(seen)
        if group == "object":
            return "map" if is_map(seen) else "object"
        return group

    def _nest(self, guess: FieldGuess, seen: Seen) -> None:
        if seen.too_deep or len(seen.children) > MOST_FIELDS:
            return  # an open object: nothing is declared of what is inside
        guess.fields = self._members(seen.children, seen.kinds["object"], f"{guess.path}.")
        if any(not declarable(name) for name in seen.children):
            guess.fields = []  # a declared object would refuse the names that cannot be declared

    def _list(self, guess: FieldGuess, seen: Seen, *, secret: str | None) -> None:
        guess.options.pop("required", None)  # Mongoose makes an empty list where none was given
        if seen.items is None or not seen.items.given:
            return
        item = self.field(guess.name, guess.path, _undated(seen.items), seen.items.count)
        item.options.pop("required", None)
        if secret:
            item.options.clear()
        guess.item = item

    def _values_of_map(self, path: str, seen: Seen) -> FieldGuess | None:
        each = seen.each if seen.each is not None else absorbed(seen.children.values())
        item = self.field("$*", f"{path}.$*", _undated(each), each.count)
        item.options.pop("required", None)
        return item if item.kind != "mixed" else None

    def _secret(self, name: str, seen: Seen, kind: str) -> str | None:
        """Why a field is likely a secret: by its values, or by its name."""
        texts = seen.items if kind == "array" and seen.items is not None else seen
        if texts.shaped and sum(texts.secrets.values()) >= _SECRET_SHARE * texts.shaped:
            return f"its values look like {texts.secrets.most_common(1)[0][0]}"
        if kind in ("string", "binary", "int", "number", "array", "mixed") and seen.given and secret_name(name):
            return "by its name"
        if 6 in seen.subtypes and kind == "binary":
            return "encrypted by the application's driver"
        return None

    def _choices(self, name: str, seen: Seen) -> list[str] | None:
        values = seen.values
        texts = seen.kinds["string"]
        if seen.many_values or not 2 <= len(values) <= _MOST_CHOICES or texts < _TIMES_SEEN * len(values):
            return None
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)}
        if words & _FREE_WORDS or len(values) == texts or not all(_CHOICE.match(value) for value in values):
            return None
        stems = {found[1] for value in values if (found := _NUMBERED.match(value)) and found[1]}
        if stems and len(stems) < len(values) / 2:
            return None  # city0, city1, ...: a series, not a choice
        return sorted(values, key=lambda value: -values[value])

    def _notices(self, guess: FieldGuess, seen: Seen, base: int, secret: str | None) -> None:
        notice, where = self._guess.notice, guess.path
        if secret:
            notice("likely_secret", where, f"{where} is likely a secret: {secret}", "keep secret: true, or take it out")
        if dead := self._dead(guess, seen, base):
            notice("dead_field", where, dead)
        self._types(guess, seen, base)
        absent = base - seen.given
        if 0 < absent <= _NEARLY * base and base >= _TELLING and guess.kind != "map":
            nulls = f"null in {share(seen.kinds['null'], base)}" if seen.kinds["null"] else ""
            missing = f"missing in {share(base - seen.count, base)}" if base > seen.count else ""
            self._nearly.append(f"{where} ({' and '.join(part for part in (nulls, missing) if part)})")
        if guess.kind == "string" and _TELLING <= seen.shaped == seen.shapes["date"] and not secret:
            notice("text_dates", where, f"{where} holds dates as text: ages and ranges cannot be computed from it")
        if seen.each is not None and guess.kind == "map":
            notice("many_keys", where, f"{where} has more than {MAX_KEYS:,} different keys: declared as a map")

    def _types(self, guess: FieldGuess, seen: Seen, base: int) -> None:
        where = guess.path
        if guess.kind == "mixed" and len([kind for kind in seen.kinds if kind != "null"]) > 1:
            what = f"{where} has values of several types: {evidence_of(seen, base, 'mixed')}"
            self._guess.notice("mixed_types", where, what)
        elif minority := _minority(seen, guess.kind):
            self._guess.notice(
                "mixed_types",
                where,
                f"{where} is {guess.kind}, but {minority} {of(seen.given)} values",
                f"datactl validate {self._guess.name} lists them",
            )

    def _dead(self, guess: FieldGuess, seen: Seen, base: int) -> str | None:
        """Why a field looks as if nothing used it; None where it does not."""
        where = guess.path
        if not seen.given:
            return f"{where} is always null: nothing uses it?" if base >= _ENOUGH else None
        if guess.kind == "string" and seen.empty == seen.given >= _TELLING:
            return f"{where} is always empty: nothing uses it?"
        if guess.kind == "array" and seen.longest == 0 and seen.given >= _TELLING:
            return f"{where} is an empty list everywhere: nothing uses it?"
        if "." in where or "$" in where:
            return None
        ended = [fact for fact in time_facts(self._sample, seen) if fact.startswith("in none")]
        return f"{where} is {ended[0]}: no longer written?" if ended else None


def is_map(seen: Seen) -> bool:
    """Whether the keys of an object are data: too many, ids, or many rare ones over values of one kind."""
    if seen.each is not None:
        return True
    keys = [name for name in seen.children if name]
    if len(keys) < _KEYS_OF_IDS:
        return False
    like_ids = sum(bool(_ID_KEY.match(name)) for name in keys)
    if like_ids >= 0.8 * len(keys):
        return True
    present = sum(child.count for child in seen.children.values()) / (len(keys) * max(1, seen.kinds["object"]))
    if len(keys) < _KEYS_OF_A_MAP or present > _RARE_KEY:
        return False
    kinds = absorbed(seen.children.values()).kinds
    kinds.pop("null", None)
    return bool(kinds) and max(kinds.values()) >= _DOMINANT * sum(kinds.values())


def _minority(seen: Seen, kind: str) -> str:
    """The values that are of another type than the declared one, as `string 3.0 %`; empty if there are none."""
    family: dict[str, tuple[str, ...]] = {
        "int": ("int",),
        "long": ("int", "long"),
        "number": ("int", "long", "double", "decimal"),
        "map": ("object",),
    }
    if kind == "mixed":
        return ""
    own = {*family.get(kind, (kind,)), "null"}
    others = {name: count for name, count in seen.kinds.items() if name not in own}
    return ", ".join(f"{name} {share(count, seen.given)}" for name, count in others.items())


def _undated(seen: Seen) -> Seen:
    seen.first = seen.last = None
    return seen


def _shown(name: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in name[:40])
    return f'"{shown}"'
