// What the application sees, as JSON: per model the ids that `find` gives and those that `findDeleted` gives, and, for the
// model and ids named on the command line, the documents as Mongoose reads them.
import { MODELS, Payment, connect, mongoose } from "./models.mjs";

const require = (await import("node:module")).createRequire(`${process.env.NODE_PARTS}/package.json`);
const { EJSON } = require("bson");

await connect();
const seen = {};
for (const model of MODELS) {
  const live = await model.find({}, { _id: 1 }).lean();
  const deleted = model === Payment ? [] : await model.findDeleted({}, { _id: 1 }).lean();
  seen[model.modelName] = { live: live.map((one) => String(one._id)).sort(), deleted: deleted.map((one) => String(one._id)).sort() };
}
const [name, ...ids] = process.argv.slice(2);
const documents = name ? await mongoose.model(name)[name === "Payment" ? "find" : "findWithDeleted"]({ _id: { $in: ids } }).sort({ _id: 1 }) : [];
console.log(EJSON.stringify({ seen, documents: documents.map((one) => one.toObject({ flattenMaps: true })) }, { relaxed: false }));
await mongoose.disconnect();
