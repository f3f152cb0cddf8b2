"""What validate looks for: its checks in the order in which they run, and every code they find.

Each broken thing is found once. Where two checks could see it, the one that says what is at fault has it:

- `documents` leaves the fields of a deletion's mark to `marks`, and dates of the marks with them;
- `references` passes over a value of another type than its field's: `documents` has it; and over marked documents,
  whose references restore looks at;
- `duplicates` passes over keys whose unique index is in place: the server keeps them;
- `outside-writes` leaves to `documents`, `marks`, `references` and `copies` what they find fault with in this run,
  and says nothing of a document that is missing while a part of the vault cannot be read: `vault` does.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import json_util
from bson.objectid import ObjectId

from datactl.errors import DatabaseError, UsageError
from datactl.inspect.findings import ABSENT, Finding
from datactl.schema import Model
from datactl.vault.findings import CODES as VAULT_CODES
from datactl.vault.findings import Severity

DOCUMENTS = "documents"
MARKS = "marks"
REFERENCES = "references"
DUPLICATES = "duplicates"
COPIES = "copies"
OUTSIDE_WRITES = "outside-writes"
INDEXES = "indexes"
VAULT = "vault"
NOT_DONE = "not_done"
"""The code, of any check, of one that the server could not answer."""


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding: what it means, and what to do. `{model}` and `{id}` in `next` are the finding's."""

    about: str
    next: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it looks at, and its codes. `sampled`: with --sample it looks at the sample alone."""

    name: str
    about: str
    codes: Mapping[str, Code]
    sampled: bool = True


_VALUE = "datactl update {model} {id} --set FIELD=VALUE; or change what models.yaml says"
_MARKED_ANEW = "datactl restore {model} {id}, then datactl delete {model} {id}"
_OUTSIDE = "nothing, if your application wrote it; else datactl undo, or datactl update, sets it right"

_DOCUMENTS = Check(
    DOCUMENTS,
    "Documents against the model, by the rules of its validator; fields that are not declared are let through.",
    {
        "required": Code("A required field is missing or null.", _VALUE),
        "type": Code("A value is of another BSON type than is declared.", _VALUE),
        "out_of_range": Code("A whole number does not fit into the declared 32 bits.", _VALUE),
        "enum": Code("A value is none of the declared ones.", _VALUE),
        "min": Code("A value is below the least one.", _VALUE),
        "max": Code("A value is above the greatest one.", _VALUE),
        "min_length": Code("A text or list is too short.", _VALUE),
        "max_length": Code("A text or list is too long.", _VALUE),
        "pattern": Code("A text does not match the pattern.", _VALUE),
        "rejected": Code("The server refuses the document for a reason that it alone sees.", _VALUE),
    },
)
_MARKS = Check(
    MARKS,
    "The marks of deletion: what they hold, and that they agree with each other.",
    {
        "undated": Code(
            "A marked document has no date of deletion: it never comes due.", "datactl validate {model} --fix-marks"
        ),
        "date_type": Code("A marked document's date of deletion is no date: it never comes due.", _MARKED_ANEW),
        "future_date": Code("A document is marked as deleted in the future, by the server's clock.", _MARKED_ANEW),
        "mark_type": Code(
            "The mark is neither true, false nor null: the document is neither live nor deleted.",
            "datactl delete {model} {id}; to have it live, datactl restore {model} {id} after that",
        ),
        "left_over": Code(
            "A live document still says when, by whom or why it was deleted.",
            "datactl delete {model} {id}, then datactl restore {model} {id}",
        ),
        "mark_field_type": Code("A marked document's reason or operation is no text.", _MARKED_ANEW),
        "no_soft_delete": Code(
            "Documents are marked deleted, and the model has no soft delete: they count as live.",
            "enableSoftDelete: true under {model} in models.yaml",
        ),
    },
)
_REFERENCES = Check(
    REFERENCES,
    "References of live documents.",
    {
        "dangling": Code(
            "What it refers to is neither in MongoDB nor in the vault.",
            "datactl update {model} {id} --set FIELD=ID; or bring back what it refers to",
        ),
        "archived": Code(
            "What it refers to was archived and is only in the vault, which the reference's onDelete does not allow.",
            "datactl restore brings that back",
        ),
        "deleted": Code(
            "What it refers to is marked deleted, which the reference's onDelete does not allow.",
            "datactl restore brings that back; or datactl update {model} {id} --set FIELD=ID",
        ),
    },
)
_DUPLICATES = Check(
    DUPLICATES,
    "Values of unique fields that several live documents have, where no unique index of the database prevents it.",
    {
        "duplicate": Code(
            "Several documents have one value of a unique field.",
            "datactl update or datactl delete all but one of them, then datactl index {model}",
        )
    },
    sampled=False,
)
_COPIES = Check(
    COPIES,
    "Documents that are in MongoDB and count as archived, both.",
    {
        "live_and_archived": Code(
            "A live document has the _id of an archived one: restore would clash.",
            "datactl archive find {model} {id} shows both",
        ),
        "marked_and_archived": Code(
            "A marked document has the _id of an archived one.", "datactl archive find {model} {id} shows both"
        ),
    },
)
_OUTSIDE_WRITES = Check(
    OUTSIDE_WRITES,
    "Documents against the values after their last event: what was written past datactl since.",
    {
        "changed": Code("A path holds another value, or another type, than its last event left there.", _OUTSIDE),
        "vanished": Code(
            "A document that its last event left in MongoDB is neither there nor in the vault.",
            "nothing, if your application removed it; else create it anew: its events have its values",
        ),
        "event_damaged": Code(
            "The payload of a document's last event is not whole or was altered.",
            "bring the rows of outboxes and outbox_chunks back from a backup",
        ),
    },
)
_INDEXES = Check(
    INDEXES,
    "Indexes of the database that are not what the models say, as index plan.",
    {
        "index_missing": Code("An index that a model asks for is not there.", "datactl index {model}"),
        "index_different": Code(
            "An index has other options, or other keys under its name, than the model asks for.",
            "change models.yaml, or datactl index apply {model}",
        ),
        "index_unknown": Code(
            "No model asks for an index that is there.", "declare it in models.yaml, or datactl index drop {model} NAME"
        ),
    },
    sampled=False,
)
_VAULT = Check(
    VAULT,
    "The vault's structure, as archive verify: presence, sizes, checksums and counts of every object.",
    {
        "mismatch": Code(
            "The vault is not that of this database.", "set DATACTL_VAULT to it, or datactl archive adopt"
        ),
        "epoch_behind": Code(
            "The database saw a later run than the vault knows: the vault is an older copy.",
            "bring the newest copy of the vault back; if there is none: datactl archive adopt",
        ),
        "identity_damaged": Code("The vault's vault.json is damaged.", VAULT_CODES["identity_damaged"][1]),
        "manifest_damaged": Code("A manifest is damaged.", VAULT_CODES["manifest_damaged"][1]),
        "segment_damaged": Code("A segment is missing or damaged.", VAULT_CODES["segment_damaged"][1]),
        "metadata_damaged": Code(
            "A segment's metadata file is missing or damaged.", VAULT_CODES["metadata_damaged"][1]
        ),
        "index_damaged": Code("A segment's index is missing or damaged.", VAULT_CODES["index_damaged"][1]),
        "index_disagrees": Code("A segment's index is not that of its documents.", VAULT_CODES["index_disagrees"][1]),
        "counts_disagree": Code(
            "A manifest or receipt tells of another number of documents.", VAULT_CODES["counts_disagree"][1]
        ),
        "receipt_damaged": Code("A receipt is damaged.", VAULT_CODES["receipt_damaged"][1]),
        "receipt_without_manifest": Code("A receipt's manifest is gone.", VAULT_CODES["receipt_without_manifest"][1]),
        "supersedes_unknown": Code(
            "A manifest names one that it supersedes and that is not there.", VAULT_CODES["supersedes_unknown"][1]
        ),
    },
    sampled=False,
)

CHECKS: Mapping[str, Check] = {
    check.name: check
    for check in (_DOCUMENTS, _MARKS, _REFERENCES, _DUPLICATES, _COPIES, _OUTSIDE_WRITES, _INDEXES, _VAULT)
}
"""Every check by its name, in the order in which they run."""

DAMAGE = frozenset(code for code, (severity, _) in VAULT_CODES.items() if severity is Severity.DAMAGE)
"""The vault's codes that are findings here; the others tell of runs that are not done."""


def read_checks(names: str | None) -> tuple[str, ...]:
    """The checks that a list such as `marks,references` names, in their order; all for None. UsageError."""
    if names is None:
        return tuple(CHECKS)
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    unknown = sorted(wanted - CHECKS.keys())
    if unknown or not wanted:
        raise UsageError(
            f'unknown check "{unknown[0]}"' if unknown else "no check is named", why=f"there are {', '.join(CHECKS)}"
        )
    return tuple(name for name in CHECKS if name in wanted)


def finding(
    check: str, code: str, model: str, what: str, *, id: Any = ABSENT, where: str | None = None, next: str | None = None
) -> Finding:
    """A finding of a code of the table. `where` is the document's id unless it is given, `next` the code's."""
    text = id_text(id) if where is None else where
    told = next or CHECKS[check].codes[code].next.format(model=model, id=shlex.quote(text))
    return Finding(check, code, model, text, what, told, id)


def not_done(check: str, model: Model, error: DatabaseError) -> Finding:
    """What is found where the server cannot answer a check, or answers it in part."""
    return Finding(
        check,
        NOT_DONE,
        model.name,
        model.collection,
        f"the check could not be done to its end: {error}",
        f"the other checks went on; datactl validate {model.name} --only {check} asks again",
    )


def id_text(id: Any) -> str:
    """An `_id` as text that a command line takes: as it is where that is text, else Extended JSON."""
    if isinstance(id, str | ObjectId):
        return str(id)
    text: str = json_util.dumps(id, json_options=json_util.RELAXED_JSON_OPTIONS)
    return text


def quoted(id: Any) -> str:
    """An `_id` as a word of a command line."""
    return shlex.quote(id_text(id))
