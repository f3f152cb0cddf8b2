"""The vault: committing segments, and reading them back. The bucket alone holds its state (I5)."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from datactl.errors import Conflict, NotFound, ObjectExists, ObjectMissing, VaultDamaged
from datactl.objects import ObjectStore, open_store
from datactl.steps import UNWATCHED, Watcher
from datactl.vault import epochs, names, search, sidecar
from datactl.vault.copies import Candidate, Retrieved, archived_copy
from datactl.vault.findings import Finding
from datactl.vault.holdings import Holdings
from datactl.vault.identity import Identity, put_identity, read_identity
from datactl.vault.idkey import hash_id, normalise_id_key
from datactl.vault.listing import models_of, names_in, names_with_deleted_receipt, only_left
from datactl.vault.manifest import Aborted, Manifest, Stored, Unreadable, read_register
from datactl.vault.names import Rank, SegmentName
from datactl.vault.receipts import Bitmap, Receipt, Receipts, put_deleted, put_restored, receipts_of
from datactl.vault.sealed import now
from datactl.vault.segment import SealedSegment
from datactl.vault.verified import VerifiedSegment, VerifiedSidecar, checked_trailer, stored


class Vault:
    """Segments, manifests, receipts and epochs in an object store.

    Writing one segment is `put_segment`, `read_back`, `put_sidecar`, `commit`, then (documents deleted)
    `put_deleted_receipt`. Every method may raise `StoreError`; those that read, `VaultDamaged`. Registers that were
    read are remembered, for they never change; what exists is listed anew each time. Threads may share a vault.
    """

    def __init__(self, store: ObjectStore, *, clock: Callable[[], datetime] = now) -> None:
        self.store = store
        self._now = clock
        self._registers: dict[tuple[str, str], Manifest | Aborted] = {}

    # -- identity and epochs --

    def identity(self) -> Identity | None:
        """Which vault this is and whose; None where nothing says so. Read anew each time."""
        return read_identity(self.store)

    def identify(self, database: str, name: str) -> Identity:
        """Make this the vault of the database of this id, unless it has an identity; the one it has now."""
        return put_identity(self.store, Identity.new(database, name, self._clock()))

    def latest_epoch(self, model: str) -> int:
        """The highest epoch that was claimed for a model, 0 if none."""
        return epochs.latest_epoch(self.store, model)

    def claim_epoch(self, model: str, *, above: int = 0) -> int:
        """Claim the next epoch of a model: higher than every one before and than `above`, and nobody else's."""
        return epochs.claim_epoch(self.store, model, self._clock(), above=above)

    # -- writing --

    def put_segment(self, sealed: SealedSegment) -> None:
        """Store a segment and its metadata file. Raises `Conflict` if its name holds other bytes."""
        self._put_own(names.metadata_key(sealed.model, sealed.name), (sealed.metadata,), stored(sealed.metadata))
        segment = Stored(sealed.size, sealed.sha256)
        self._put_own(names.segment_key(sealed.model, sealed.name), sealed.data, segment, kind="segment")

    def read_back(self, sealed: SealedSegment) -> VerifiedSegment:
        """Read a stored segment back and verify all of it. Raises `VaultDamaged`."""
        segment = Stored(sealed.size, sealed.sha256)
        return VerifiedSegment(self.store, sealed.model, sealed.name, segment, stored(sealed.metadata))

    def open_segment(self, manifest: Manifest) -> VerifiedSegment:
        """A committed segment, read and verified. Raises `VaultDamaged`."""
        verified = VerifiedSegment(self.store, manifest.model, manifest.name, manifest.segment, manifest.metadata)
        if verified.documents != manifest.documents:
            raise VaultDamaged(f"{manifest.segment_key} has another number of documents than its manifest says")
        return verified

    def put_sidecar(self, segment: VerifiedSegment) -> VerifiedSidecar:
        """Build the index of a segment from what was read back, store it, and read it back."""
        self._check_mine(segment)
        built = sidecar.build(
            segment.name, segment.trailer.members, segment.hashes, segment.segment.sha256, segment.segment.size
        )
        self._put_own(names.index_key(segment.model, segment.name), (built,), stored(built))
        return VerifiedSidecar(segment, built)

    def commit(
        self,
        segment: VerifiedSegment,
        index: VerifiedSidecar,
        *,
        op: str,
        actor: str | None = None,
        reason: str | None = None,
        cause: str = "age",
        cutoff: datetime | None = None,
        tier: str = "warm",
        rank: Rank | None = None,
        supersedes: Sequence[str] = (),
    ) -> Manifest:
        """Commit a segment: write its manifest. Raises `Conflict` if the register says aborted or something else.

        I1: takes what this vault read back and nothing else. `rank` is given by a compaction alone.
        """
        self._check_mine(segment)
        if index.segment is not segment:
            raise ValueError("the sidecar is that of another segment")
        manifest = Manifest(
            model=segment.model,
            name=segment.name,
            namespace=segment.trailer.namespace,
            op=op,
            actor=actor,
            reason=reason,
            cause=cause,
            created_at=self._clock(),
            cutoff=cutoff,
            tier=tier,
            rank=rank or SegmentName.parse(segment.name).rank,
            supersedes=tuple(supersedes),
            documents=segment.documents,
            raw_bytes=segment.trailer.raw_bytes,
            members=len(segment.trailer.members),
            pages=index.header.pages,
            pages_offset=index.pages_offset,
            segment=segment.segment,
            metadata=segment.metadata,
            index=index.index,
        )
        found = self._put_register(manifest)
        # I8: our own reply may have been lost. The name has the attempt's nonce; SHA-256 and operation settle it.
        if isinstance(found, Manifest) and (found.segment, found.index, found.op) == (
            manifest.segment,
            manifest.index,
            manifest.op,
        ):
            return found
        raise Conflict(
            f"segment {segment.name} of {segment.model} cannot be committed",
            why="it was aborted by another run" if isinstance(found, Aborted) else "another manifest is there",
            next="Run it again: it starts a new segment.",
            name=segment.name,
        )

    def abort(self, model: str, name: str, *, op: str, reason: str) -> Aborted:
        """Close a register for good, so that a late run cannot commit. Raises `Conflict` if it was committed."""
        found = self._put_register(Aborted(model, str(name), op, reason, self._clock()))
        if isinstance(found, Manifest):
            raise Conflict(f"segment {name} of {model} cannot be aborted", why="it is committed", name=str(name))
        return found

    def confirm(self, manifest: Manifest) -> None:
        """Make sure that a manifest is durable though whoever wrote it may have died before it was: put it once more.

        Raises `Conflict` if the register holds something else.
        """
        if self._put_register(manifest) != manifest:
            raise Conflict(
                f"segment {manifest.name} of {manifest.model} has another manifest",
                next="Run `datactl archive verify`.",
                name=manifest.name,
            )

    def put_deleted_receipt(
        self, manifest: Manifest, positions: Bitmap | Iterable[int], *, op: str, actor: str | None = None
    ) -> Receipt:
        """Record which documents of a segment left MongoDB: the done marker, written once.

        Raises `Conflict` if there is one already that says otherwise.
        """
        return put_deleted(self.store, self._receipt("deleted", manifest, positions, op, actor))

    def put_restored_receipt(
        self, manifest: Manifest, positions: Bitmap | Iterable[int], *, op: str, actor: str | None = None
    ) -> Receipt:
        """Record which documents of a segment an operation brought back. Doing it again does nothing twice."""
        return put_restored(self.store, self._receipt("restored", manifest, positions, op, actor))

    # -- reading --

    def models(self) -> list[str]:
        """Models that have anything in the vault, sorted."""
        return models_of(self.store)

    def manifest(self, model: str, name: str) -> Manifest | Aborted | None:
        """What the register of a segment holds; None if nothing yet."""
        known = self._registers.get((model, name))
        if known is not None:
            return known
        key = names.manifest_key(model, name)
        try:
            data = self.store.get(key)
        except ObjectMissing:
            return None
        return self._remember(read_register(data, model, name, key))

    def manifests(self, model: str) -> Iterator[Manifest]:
        """The committed segments of a model by name, which is the order of their epochs and numbers."""
        for name in names_in(self.store, names.MANIFESTS, model, ".json"):
            found = self.manifest(model, name)
            if isinstance(found, Manifest):
                yield found

    def by_rank(self, model: str, *, after: str | None = None) -> list[Manifest | Unreadable]:
        """The committed segments of a model, the highest rank first: what `locate` goes through.

        `after`: only those whose names come after this one. A register that is not whole stands at the rank of its
        name, which is the highest it can have: a compacted segment's name is newer than its rank.
        """
        found: list[Manifest | Unreadable] = []
        for name in names_in(self.store, names.MANIFESTS, model, ".json", after=after):
            try:
                register = self.manifest(model, name)
            except VaultDamaged as damage:
                found.append(Unreadable(model, name, damage))
                continue
            if isinstance(register, Manifest):
                found.append(register)
        return sorted(found, key=lambda each: (each.rank, each.name), reverse=True)

    def segments_without_manifest(self, model: str) -> Iterator[str]:
        """Names that have a segment (or its metadata) and an empty register: what a run left, or still writes."""
        segments = names_in(self.store, names.SEGMENTS, model, ".metadata.json.gz", ".bson.gz")
        return only_left(segments, names_in(self.store, names.MANIFESTS, model, ".json"))

    def namespace_of(self, model: str, name: str) -> str | None:
        """`db.collection` of a segment that may have no manifest, from its trailer; None if it has no whole segment."""
        try:
            return checked_trailer(self.store.get(names.segment_key(model, name)), model, name).namespace
        except (ObjectMissing, VaultDamaged):
            return None

    def manifests_without_receipt(self, model: str, *, damaged: list[VaultDamaged] | None = None) -> Iterator[Manifest]:
        """Committed segments whose run is not done: no `deleted` receipt yet.

        `damaged`: takes what is wrong with a register that is not whole, which is passed over then; else it is raised.
        """
        registers = names_in(self.store, names.MANIFESTS, model, ".json")
        for name in only_left(registers, names_with_deleted_receipt(self.store, model)):
            try:
                found = self.manifest(model, name)
            except VaultDamaged as damage:
                if damaged is None:
                    raise
                damaged.append(damage)
                continue
            if isinstance(found, Manifest):
                yield found

    def receipts_without_manifest(self, model: str) -> Iterator[str]:
        """Names of segments that documents left with, and whose manifest is gone."""
        receipts = names_with_deleted_receipt(self.store, model)
        return only_left(receipts, names_in(self.store, names.MANIFESTS, model, ".json"))

    def receipts(self, manifest: Manifest) -> Receipts:
        """All receipts of a segment."""
        return receipts_of(self.store, manifest.model, manifest.name, manifest.documents)

    def holdings(self, model: str, *, namespaces: Container[str] | None = None) -> Holdings:
        """What is in the vault and not in MongoDB; of segments of `namespaces`, None: of all."""
        counted = (each for each in self.manifests(model) if namespaces is None or each.namespace in namespaces)
        return Holdings.of((manifest, self.receipts(manifest)) for manifest in counted)

    def locate(
        self, model: str, id_key: bytes, *, within: Sequence[Manifest | Unreadable] | None = None
    ) -> Iterator[Candidate]:
        """Copies of the document whose `_id` has this id key (BSON type byte and value bytes), highest rank first.

        Reads at most three small ranges of each segment's sidecar, as far as the caller iterates. `within`: the
        answer of `by_rank`, so that many look-ups list once. A 64-bit hash decides: `fetch` proves the `_id`.
        Raises `VaultDamaged` when it comes to a register or sidecar that is not whole: an older copy is no answer then.
        """
        normal = normalise_id_key(id_key)
        value = hash_id(normal)
        manifests = self.by_rank(model) if within is None else within
        for _, of_rank in groupby(manifests, key=lambda manifest: manifest.rank):
            copies = [copy for manifest in of_rank for copy in self._copies_in(manifest, normal, value)]
            yield from copies[:-1]
            yield from (replace(copy, closes_rank=True) for copy in copies[-1:])

    def indexed(self, manifest: Manifest) -> Iterator[tuple[int, int]]:
        """(hash of `_id`, position) of every document of a segment, by its sidecar. Raises `VaultDamaged`."""
        return search.indexed(self.store, manifest)

    def fetch(self, candidate: Candidate) -> bytes:
        """The document of a candidate, by one ranged read; length, CRC-32, SHA-256 and `_id` are checked.

        Raises `VaultDamaged` if it is not what was written, and `NotFound` if it is another document whose `_id`
        has the same hash.
        """
        return search.fetch(self.store, candidate)

    def retrieve(
        self,
        model: str,
        id_key: bytes,
        *,
        absent: bool,
        within: Sequence[Manifest | Unreadable] | None = None,
        settled: Callable[[Candidate], Candidate] = lambda candidate: candidate,
    ) -> Retrieved | None:
        """The archived copy of a document with its BSON, or None: `locate`, `archived_copy` and `fetch` in one.

        `settled` may know better of a copy whose receipt is not written yet.
        """
        others: set[tuple[str, int]] = set()
        while True:
            candidates = map(settled, self.locate(model, id_key, within=within))
            copy = archived_copy((c for c in candidates if (c.manifest.name, c.position) not in others), absent=absent)
            if copy is None:
                return None
            try:
                return Retrieved(copy, self.fetch(copy))
            except NotFound:
                others.add((copy.manifest.name, copy.position))

    def verify(self, model: str | None = None, *, deep: bool = False, watch: Watcher = UNWATCHED) -> Iterator[Finding]:
        """Check every object of a model (None: of all); what is wrong or worth knowing, as it is found.

        Reads everything again and trusts nothing that was remembered: presence, sizes, SHA-256, counts. `deep` also
        reads every member and document, and builds every index anew. Announces `verify` steps, one per segment.
        """
        from datactl.vault.verify import verify_identity, verify_model

        yield from verify_identity(self.store)
        for each in self.models() if model is None else [model]:
            yield from verify_model(self.store, each, deep=deep, watch=watch)

    # -- inside --

    def _clock(self) -> datetime:
        """The time, to the millisecond that the vault keeps, so that a value equals what is read back of it."""
        moment = self._now()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def _copies_in(self, manifest: Manifest | Unreadable, normal: bytes, value: int) -> Iterator[Candidate]:
        if isinstance(manifest, Unreadable):
            raise manifest.damage
        found = search.places(self.store, manifest, value)
        if not found:
            return
        receipts = self.receipts(manifest)
        left, back = receipts.deleted, receipts.restored
        for position, member, place in found:
            yield Candidate(
                manifest=manifest,
                member=member,
                position=position,
                place=place,
                normal_id=normal,
                receipt=None if left is None else position in left,
                restored=position in back,
            )

    def _put_own(self, key: str, data: Sequence[bytes], expected: Stored, *, kind: str = "data") -> None:
        """Put an object whose name nobody else uses. I8: one that is there already is ours if its bytes are."""
        try:
            self.store.put(key, data, kind=kind)
        except ObjectExists as error:
            if stored(self.store.get(key)) != expected:
                raise Conflict(
                    f"{key} holds something else", why="another attempt has its name", next="Run it again.", key=key
                ) from error

    def _put_register(self, mine: Manifest | Aborted) -> Manifest | Aborted:
        """Write a register, or find what it holds: the one of the two that counts."""
        key = names.manifest_key(mine.model, mine.name)
        try:
            self.store.put(key, mine.to_json(), kind="manifest")
        except ObjectExists:
            return self._remember(read_register(self.store.get(key), mine.model, mine.name, key))
        return self._remember(mine)

    def _remember(self, register: Manifest | Aborted) -> Manifest | Aborted:
        self._registers[register.model, register.name] = register
        return register

    def _receipt(
        self, kind: str, manifest: Manifest, positions: Bitmap | Iterable[int], op: str, actor: str | None
    ) -> Receipt:
        if not isinstance(positions, Bitmap):
            positions = Bitmap.of(manifest.documents, positions)
        elif positions.size != manifest.documents:
            raise ValueError(f"a bitmap of {positions.size} positions for {manifest.documents} documents")
        return Receipt(kind, manifest.model, manifest.name, op, actor, self._clock(), positions)

    def _check_mine(self, segment: VerifiedSegment) -> None:
        if segment.store is not self.store:
            raise ValueError("the segment was read back from another store")


def open_vault(url: str) -> Vault:
    """The vault at `url`, see `open_store`. Raises `ConfigError`."""
    return Vault(open_store(url))
