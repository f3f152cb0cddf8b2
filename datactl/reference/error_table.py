"""What each error code means and what to do about it: the half of docs/errors.md that no run can show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

EXAMPLES = Path(__file__).with_name("error_examples.json")


@dataclass(frozen=True, slots=True)
class Explained:
    """What an error says has happened, and what whoever meets it does."""

    means: str
    do: str


class Example(msgspec.Struct, frozen=True):
    """What was run and what it said, as a test saw it; ids, ports and paths are replaced by steady ones."""

    run: str
    said: str


EXPLAINED: Mapping[str, Explained] = {
    "failed": Explained(
        "Something failed that has no code of its own, such as a file that cannot be written.",
        "Read `why`. If it says `unexpected`, run the same with `DATACTL_DEBUG=1` and report what that shows.",
    ),
    "usage": Explained(
        "The command line makes no sense: an unknown word, a missing argument, options that exclude each other.",
        "`datactl WORD --help` shows what is possible, with an example that runs.",
    ),
    "config": Explained(
        "A setting is unusable, or a file or command that should give one failed.",
        "The message names the place. `datactl config show --origin` shows what is in force and where it came from.",
    ),
    "models_file": Explained(
        "models.yaml has mistakes. All are reported at once, each with its line and a code of its own "
        "([models.md](models.md)).",
        "Correct them; `datactl models check` looks again without a database.",
    ),
    "vault_mismatch": Explained(
        "The vault is not the one that this database archives into. Going on would tear the archive in two.",
        "Set `vault` to the one that is named. If the vault was moved on purpose: `datactl archive adopt`.",
    ),
    "filter": Explained(
        "A filter or sort order cannot be read, or names a field that is unknown, secret or has no order.",
        "Correct it: [repository.md](repository.md) has the operators, `datactl models show MODEL` the fields.",
    ),
    "bad_id": Explained(
        "The text is no id of this model: an ObjectId has 24 hexadecimal digits.",
        "`datactl find MODEL --fields _id` shows ids as they are typed.",
    ),
    "invalid_document": Explained(
        "The document does not fit its model. Every problem is listed, by JSON Pointer. Nothing was written.",
        "Correct the document, or the model if that is what is wrong.",
    ),
    "too_large": Explained(
        "The document, or what an update would make of it, is beyond MongoDB's 16 MiB.",
        "Split it, or keep the large part elsewhere.",
    ),
    "not_soft_deletable": Explained(
        "The model has `enableSoftDelete: false`, and this works with the mark of deletion.",
        "Use the command the message names, or let the model have soft delete.",
    ),
    "partly_done": Explained(
        "Most of it was done, some items failed. Each failure is listed; what was done stays done.",
        "Correct what failed and give those items again. `datactl ops show OP` has the counts.",
    ),
    "access": Explained(
        "The family of errors about reaching the database and being allowed to work there.",
        "See the codes below.",
    ),
    "cannot_connect": Explained(
        "The database does not answer: wrong host or port, a server that is down, a network or TLS problem.",
        "Check that the server runs and that the URI is right: `datactl config show --origin`.",
    ),
    "authentication_failed": Explained(
        "The server refused the user or the password.",
        "Check the URI's user, its percent-encoded password and `authSource`.",
    ),
    "not_permitted": Explained(
        "The user is known and may not do this.",
        "Let the user's role have the privilege; `datactl doctor --grants` prints what datactl needs.",
    ),
    "no_transactions": Explained(
        "The server has no transactions: it is a standalone. Reading works, changing does not.",
        "Make it a replica set; one node is enough.",
    ),
    "weak_durability": Explained(
        "The URI weakens what a write promises (`w=1`, `journal=false`, reads from secondaries).",
        "Take that option out of the URI, or write `w=majority`. Reading works as it is.",
    ),
    "findings": Explained(
        "The command looked for what is wrong and found something. Nothing was changed.",
        "Each finding says what comes next.",
    ),
    "not_found": Explained(
        "What was named is not there: a document, an operation, or anything that a filter matches.",
        "`datactl archive find MODEL ID` says whether a document is in the vault.",
    ),
    "conflict": Explained(
        "Something stands in the way, and nothing was changed.",
        "The message names it: a file that exists already, an index of the same name, an object in another state.",
    ),
    "duplicate_key": Explained(
        "A live document has the same value of a unique field already.",
        "Choose another value, or change the other document: `datactl find MODEL --filter field=value`.",
    ),
    "write_conflict": Explained(
        "Other writers changed the same documents again and again, until the tries were used up.",
        "Run it again, when there is less going on.",
    ),
    "precondition_failed": Explained(
        "The document is not any more what it was when its ETag (`if_match`) was taken.",
        "Read it again, decide again, and send the change with the new ETag.",
    ),
    "restore_conflict": Explained(
        "The document cannot come back as it is: a unique value is taken, a reference leads nowhere, or today's model "
        "does not take it. Every conflict is listed.",
        "Resolve what is listed. `datactl archive find MODEL ID -o json` shows the archived document.",
    ),
    "restricted": Explained(
        "Other documents refer to this one, and their `onDelete: restrict` keeps it.",
        "Delete or change those first; `datactl find` with the named field shows them.",
    ),
    "object_exists": Explained(
        "An object or file of that name is there already, and those are never overwritten.",
        "For an export: choose another directory. In a vault: run it again; if it stays, `datactl archive verify`.",
    ),
    "not_initialised": Explained(
        "Nothing says which database or which models: no URI, no local engine, no models.yaml here.",
        "`datactl init` starts a project; else set `DATACTL_URI`, or go to the project's directory.",
    ),
    "locked": Explained(
        "Another run of the same kind works on this model. It is named, with its host and when it was last seen alive.",
        "Wait for it (`--wait 10m`). A run that was killed frees its place by itself, within a minute.",
    ),
    "lease_lost": Explained(
        "This run was held up so long that another took its place. It has committed nothing since.",
        "Run it again: what is done is not done twice.",
    ),
    "declined": Explained(
        "The confirmation was not given. Nothing was changed.",
        "Look at what is said, then type the phrase or give it with `--confirm`.",
    ),
    "pending": Explained(
        "The answer takes hours, as with objects in Glacier, and was asked for. No command of this version ends so.",
        "Run the same again later: it goes on from there.",
    ),
    "interrupted": Explained(
        "A signal stopped the work: at a safe point the first time, at once the second time.",
        "The message has the command that goes on. 130 is Ctrl-C, 143 a termination.",
    ),
    "database": Explained(
        "The server or its driver reported something that has no code of its own here.",
        "Read `why`: it is the server's own word. The server's log has more.",
    ),
    "database_timeout": Explained(
        "The server did not finish in the time it was given.",
        "Run it again; `datactl find --explain` shows whether an index is missing.",
    ),
    "document_rejected": Explained(
        "A validator of the database refused the document, though the model takes it.",
        "Make the two agree: `datactl models diff` shows where they differ.",
    ),
    "store": Explained(
        "The place of the vault failed: a disk, a mount, a bucket.",
        "Look at the place that is named, then run it again: nothing left MongoDB without its copy.",
    ),
    "store_full": Explained(
        "There is no room at that place.",
        "Make room and run it again: what was stored is kept.",
    ),
    "store_read_only": Explained(
        "That place can be read, but not written by this user.",
        "Check the mount and the permissions of the directory that is named.",
    ),
    "object_missing": Explained(
        "An object that the vault should have is gone.",
        "`datactl archive verify` says what else is missing; bring the object back from the vault's backup.",
    ),
    "short_read": Explained(
        "An object of the vault ends before the part that is needed.",
        "`datactl archive verify --deep` says what is damaged; bring the object back from the vault's backup.",
    ),
    "vault_damaged": Explained(
        "A checksum, count or length in the vault is wrong. What is damaged is not handed out.",
        "`datactl archive verify --deep` says what is damaged; bring the object back from the vault's backup.",
    ),
    "engine": Explained(
        "The local engine of the project does not start, stop or answer.",
        "Read the log that is named, `.datactl/engine.log`.",
    ),
}


def examples() -> dict[str, Example]:
    """Code -> what a run said, as tests/reference records it."""
    found: dict[str, Example] = msgspec.json.decode(EXAMPLES.read_bytes(), type=dict[str, Example])
    return found


def as_text(found: Mapping[str, Example]) -> str:
    """The examples as their file holds them."""
    plain = {code: {"run": found[code].run, "said": found[code].said} for code in EXPLAINED if code in found}
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
