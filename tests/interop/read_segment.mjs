// Reads a segment by docs/segment-format.md alone: Node's zlib and crypto, and the `bson` package to decode.
//
//   node read_segment.mjs PARTS SEGMENT [MANIFEST]
//
// PARTS: the directory whose node_modules has bson. Prints one JSON line about the segment, then one per document.
// Exits 1 and says why if anything is not as the trailer (and the manifest) say.
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import zlib from "node:zlib";

const [parts, segmentPath, manifestPath] = process.argv.slice(2);
const { deserialize, EJSON } = createRequire(join(parts, "node_modules", "."))("bson");

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const check = (condition, what) => {
  if (!condition) {
    process.stderr.write(`${what}\n`);
    process.exit(1);
  }
};

// The payload of the empty gzip member at `start` whose extra field has the subfield `id`, and the byte after it.
function emptyMember(data, start, id) {
  check(data.readUInt32BE(start) === 0x1f8b0804, `no member with an extra field at byte ${start}`);
  const length = data.readUInt16LE(start + 14);
  check(data.toString("latin1", start + 12, start + 14) === id, `no subfield ${id} at byte ${start}`);
  check(data.readUInt16LE(start + 10) === length + 4, `a wrong extra field at byte ${start}`);
  const body = start + 16 + length;
  check(data.toString("hex", body, body + 10) === "03000000000000000000", `a member with data at byte ${start}`);
  return [data.subarray(start + 16, body), body + 10];
}

function readTrailer(data) {
  const end = data.length - 86;
  const [locator] = emptyMember(data, end, "DE");
  check(locator.toString("latin1", 0, 8) === "DCTLSEG1" && locator.readUInt16LE(8) === 1, "an unknown format");
  let at = Number(locator.readBigUInt64LE(12));
  const pieces = [];
  for (let n = 0; n < locator.readUInt16LE(10); n++) {
    const [piece, after] = emptyMember(data, at, "DT");
    pieces.push(piece);
    at = after;
  }
  check(at === end, "the trailer does not end where the locator starts");
  const payload = Buffer.concat(pieces);
  check(payload.length === Number(locator.readBigUInt64LE(20)), "the trailer has a wrong length");
  check(sha256(payload) === locator.toString("hex", 28, 60), "the trailer has a wrong SHA-256");

  const trailer = {
    documents: Number(payload.readBigUInt64LE(16)),
    rawBytes: Number(payload.readBigUInt64LE(24)),
    dataBytes: Number(payload.readBigUInt64LE(32)),
  };
  let position = 40;
  for (const name of ["namespace", "model", "name"]) {
    const length = payload.readUInt16LE(position);
    trailer[name] = payload.toString("utf8", position + 2, position + 2 + length);
    position += 2 + length;
  }
  const count = payload.readUInt32LE(12);
  check(payload.length === position + 64 * count, "the member table has a wrong length");
  trailer.members = Array.from({ length: count }, (_, n) => {
    const entry = payload.subarray(position + 64 * n, position + 64 * (n + 1));
    return {
      offset: Number(entry.readBigUInt64LE(0)),
      length: entry.readUInt32LE(8),
      rawLength: entry.readUInt32LE(12),
      first: entry.readUInt32LE(16),
      count: entry.readUInt32LE(20),
      crc: entry.readUInt32LE(24),
      sha256: entry.toString("hex", 32, 64),
    };
  });
  return trailer;
}

function documentsOf(data, member) {
  const bytes = data.subarray(member.offset, member.offset + member.length);
  const block = zlib.gunzipSync(bytes);
  check(block.length === member.rawLength, `the member at byte ${member.offset} has a wrong length`);
  check(sha256(block) === member.sha256, `the member at byte ${member.offset} has a wrong SHA-256`);
  check(bytes.readUInt32LE(bytes.length - 8) === member.crc, `the member at byte ${member.offset} has a wrong CRC-32`);
  const documents = [];
  for (let at = 0; at < block.length; at += block.readInt32LE(at)) {
    documents.push(block.subarray(at, at + block.readInt32LE(at)));
  }
  check(documents.length === member.count, `the member at byte ${member.offset} has a wrong number of documents`);
  return documents;
}

// What zlib makes of the file when it is told nothing of members and trailer.
async function gunzipWhole(path) {
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of createReadStream(path).pipe(zlib.createGunzip())) {
    hash.update(chunk);
    length += chunk.length;
  }
  return { length, sha256: hash.digest("hex") };
}

const data = readFileSync(segmentPath);
const trailer = readTrailer(data);
if (manifestPath) {
  const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));
  check(manifest.kind === "manifest" && manifest.name === trailer.name, "the manifest is of another segment");
  check(manifest.segment.bytes === data.length, "the segment has not the length that its manifest says");
  check(manifest.segment.sha256 === sha256(data), "the segment has not the SHA-256 that its manifest says");
  check(manifest.documents === trailer.documents, "the segment has not the documents that its manifest says");
  const bare = Buffer.from(readFileSync(manifestPath, "utf8").replace(/"digest":"sha256:[0-9a-f]{64}",/, ""));
  check(manifest.digest === `sha256:${sha256(bare)}`, "the manifest has a wrong digest");
}
const whole = await gunzipWhole(segmentPath);
check(whole.length === trailer.rawBytes, "the file as a whole has a wrong length");
const { members, ...about } = trailer;
const lines = [JSON.stringify({ ...about, members: members.length, sha256: whole.sha256 })];
let number = 0;
for (const member of members) {
  check(member.first === number, `the member at byte ${member.offset} starts with a wrong document`);
  for (const document of documentsOf(data, member)) {
    const decoded = deserialize(document, { promoteValues: false, bsonRegExp: true });
    const id = EJSON.serialize({ _id: decoded._id }, { relaxed: false });
    lines.push(JSON.stringify({ number, ...id, fields: Object.keys(decoded), hex: document.toString("hex") }));
    number += 1;
  }
}
check(number === trailer.documents, "the segment has a wrong number of documents");
process.stdout.write(`${lines.join("\n")}\n`);
