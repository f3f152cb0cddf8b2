// Reads documents, deleted or not, and saves their marks as they are: what its schema refuses fails here.
import { connect, mongoose } from "./models.mjs";

await connect();
const [name, ...ids] = process.argv.slice(2);
for (const one of await mongoose.model(name).findWithDeleted({ _id: { $in: ids } })) {
  for (const mark of ["deleted", "deletedAt", "deletedBy"]) one.markModified(mark);
  await one.save();
}
await mongoose.disconnect();
