// A magazine's database after five years: plugins came late, fields came and went, scripts wrote past Mongoose.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PARTS}/package.json`);
const mongoose = require("mongoose");
const mongooseDelete = require("mongoose-delete");
const { Schema, Types, model } = mongoose;
const { ObjectId, Decimal128 } = Types;
const day = 86_400_000;
const start = Date.UTC(2021, 0, 4);
const when = (n, of) => new Date(start + Math.floor((n / of) * 5 * 365 * day));
const idAt = (date, n) => new ObjectId(Math.floor(date / 1000).toString(16).padStart(8, "0") + n.toString(16).padStart(16, "0"));
const pick = (list, n) => list[n % list.length];
const softDelete = (schema) => schema.plugin(mongooseDelete, { deletedAt: true, deletedBy: true, overrideMethods: "all" });

const companySchema = new Schema({ name: String, country: String, vatNumber: String }, { timestamps: true });
const userSchema = new Schema(
  {
    email: { type: String, required: true, unique: true },
    username: String,
    passwordHash: String,
    resetToken: String,
    role: { type: String, enum: ["reader", "author", "editor", "admin"] },
    company: { type: Schema.Types.ObjectId, ref: "Company" },
    profile: { bio: String, website: String, birthday: String, location: { type: { type: String }, coordinates: [Number] } },
    apiKeys: [String],
    followers: [{ type: Schema.Types.ObjectId, ref: "User" }],
    facebookId: String,
    phone: String,
    settings: { type: Map, of: Boolean },
    loginCount: Number,
    legacyFlags: Schema.Types.Mixed,
  },
  { timestamps: true },
);
const postSchema = new Schema(
  {
    title: { type: String, required: true },
    slug: { type: String, index: true },
    author: { type: Schema.Types.ObjectId, ref: "User", required: true },
    editorId: String, // somebody forgot that it is an ObjectId
    status: { type: String, enum: ["draft", "review", "published"] },
    body: String,
    tags: [String],
    blocks: [{ kind: String, text: String, image: { url: String, width: Number, height: Number } }],
    stats: { views: Number, shares: Number },
    likes: { type: Map, of: Date },
    price: Number,
    publishedAt: Date,
    subtitle: String,
  },
  { timestamps: true },
);
postSchema.index({ author: 1, createdAt: -1 });
postSchema.index({ "seo.keyword": 1 }); // dropped from the schema in 2022, the index stayed
const commentSchema = new Schema(
  { target: Schema.Types.ObjectId, targetKind: String, user: { type: Schema.Types.ObjectId, ref: "User" }, text: String, rating: Number },
  { timestamps: true },
);
const invoiceSchema = new Schema(
  { number: String, customer: { type: Schema.Types.ObjectId, ref: "Company" }, total: Schema.Types.Mixed, paid: Boolean, lines: [{ _id: false, text: String, amount: Schema.Types.Decimal128 }] },
  { timestamps: true },
);
const activitySchema = new Schema({ at: Date, user: { type: Schema.Types.ObjectId, ref: "User" } }, { discriminatorKey: "__t" });
const sessionSchema = new Schema({ _id: String, expires: Date, session: String });
sessionSchema.index({ expires: 1 }, { expireAfterSeconds: 14 * 86_400 });
for (const schema of [userSchema, postSchema, commentSchema]) softDelete(schema);

const Company = model("Company", companySchema);
const User = model("User", userSchema);
const Post = model("Post", postSchema);
const Comment = model("Comment", commentSchema);
const Invoice = model("Invoice", invoiceSchema);
const Activity = model("Activity", activitySchema);
const Login = Activity.discriminator("Login", new Schema({ ip: String }));
const Purchase = Activity.discriminator("Purchase", new Schema({ invoice: { type: Schema.Types.ObjectId, ref: "Invoice" }, amount: Number }));
const Session = model("Session", sessionSchema);

await mongoose.connect(process.env.SHOP_URI, { dbName: process.env.SHOP_DB });
for (const each of [Company, User, Post, Comment, Invoice, Activity, Session]) {
  await each.createCollection();
  await each.createIndexes();
}
const stamped = (date) => ({ createdAt: date, updatedAt: new Date(+date + day) });
const raw = { timestamps: false };

const companies = await Company.insertMany(
  Array.from({ length: 60 }, (_, n) => ({ _id: idAt(when(n, 60), n), name: `Company ${n}`, country: pick(["DE", "FR", "AT"], n), vatNumber: `DE${1000 + (n % 55)}`, ...stamped(when(n, 60)) })),
  raw,
);
const users = await User.insertMany(
  Array.from({ length: 1500 }, (_, n) => {
    const at = when(n, 1500);
    return {
      _id: idAt(at, n),
      email: `reader${n}@mail.example`,
      username: n % 400 === 7 ? "editor" : `reader${n}`,
      passwordHash: `$2b$10$${String(n).padStart(22, "a")}${"b".repeat(31)}`,
      resetToken: n % 50 ? undefined : `r${n}`,
      role: pick(["reader", "reader", "reader", "author", "editor", "admin"], n),
      company: n % 3 ? pick(companies, n)._id : n % 2 ? null : undefined,
      profile: n % 5 ? { bio: `Bio ${n}`, website: n % 2 ? `https://site${n}.example` : "", birthday: `19${60 + (n % 40)}-0${1 + (n % 9)}-11`, location: n % 4 ? { type: "Point", coordinates: [n / 100, 48.1] } : undefined } : undefined,
      apiKeys: n % 40 ? [] : [`sk_live_${"x".repeat(20)}${n}`],
      facebookId: n < 400 ? `fb${n}` : undefined,
      phone: n >= 900 ? `+49 170 ${n}` : undefined,
      settings: { newsletter: n % 2 === 0, darkMode: n % 3 === 0 },
      loginCount: n % 37,
      legacyFlags: null,
      deleted: n >= 300 ? false : undefined,
      ...stamped(at),
    };
  }),
  raw,
);
await User.collection.updateMany({ _id: { $in: users.slice(0, 300).map((u) => u._id) } }, { $unset: { deleted: "" } }); // before the plugin
await User.collection.updateMany({ _id: { $in: users.slice(20, 200).map((u) => u._id) } }, [{ $set: { loginCount: { $toString: "$loginCount" } } }]);
const posts = await Post.insertMany(
  Array.from({ length: 3000 }, (_, n) => {
    const at = when(n, 3000);
    return {
      _id: idAt(at, n),
      title: `Post ${n}`,
      slug: `post-${n % 2990}`,
      author: n % 60 === 11 ? idAt(at, 900_000 + n) : pick(users, n * 7)._id, // some authors were removed by hand
      editorId: String(pick(users, n * 3)._id),
      status: pick(["published", "published", "draft", "review"], n),
      body: `Text of post ${n}. `.repeat(10),
      tags: Array.from({ length: n % 5 }, (_, k) => pick(["news", "sport", "city", "science", "opinion", "travel", "food"], n + k)),
      blocks: Array.from({ length: n % 3 }, (_, k) => (k ? { kind: "image", image: { url: `https://cdn.example/${n}.jpg`, width: 800, height: 600 } } : { kind: "text", text: `Block ${k}` })),
      stats: { views: n * 13, shares: n % 17 },
      likes: Object.fromEntries(Array.from({ length: n % 4 }, (_, k) => [String(pick(users, n + k * 11)._id), new Date(+at + day)])),
      price: n % 10 ? undefined : 5,
      publishedAt: n % 4 > 1 ? null : new Date(+at + 2 * day),
      subtitle: n >= 2000 ? `Subtitle ${n}` : undefined,
      ...stamped(at),
    };
  }),
  raw,
);
await Post.collection.updateOne({ _id: posts[77]._id }, [{ $replaceWith: { $mergeObjects: ["$$ROOT", { "old_views": 3 }] } }]);
await Post.collection.insertOne({ _id: idAt(when(1, 3000), 777_777), title: "Imported", slug: "imported", author: users[3]._id, "meta.source": "wordpress", $set: { status: "draft" }, createdAt: new Date(), updatedAt: new Date() });
await Comment.insertMany(
  Array.from({ length: 2000 }, (_, n) => ({
    _id: idAt(when(n, 2000), n),
    target: n % 3 ? pick(posts, n)._id : pick(companies, n)._id,
    targetKind: n % 3 ? "Post" : "Company",
    user: pick(users, n * 5)._id,
    text: n % 9 ? `Comment ${n}` : "",
    rating: 1 + (n % 5),
    ...stamped(when(n, 2000)),
  })),
  raw,
);
await Invoice.insertMany(
  Array.from({ length: 700 }, (_, n) => ({
    _id: idAt(when(n, 700), n),
    number: `R-${2000 + (n % 690)}`,
    customer: pick(companies, n)._id,
    total: n < 300 ? `${n}.50` : n + 0.5,
    paid: n % 20 !== 0,
    lines: [{ text: "Subscription", amount: Decimal128.fromString(`${n}.50`) }],
    ...stamped(when(n, 700)),
  })),
  raw,
);
await Login.insertMany(Array.from({ length: 600 }, (_, n) => ({ at: when(n, 600), user: pick(users, n)._id, ip: `10.0.0.${n % 250}` })));
await Purchase.insertMany(Array.from({ length: 150 }, (_, n) => ({ at: when(n, 150), user: pick(users, n)._id, invoice: idAt(when(n, 700), n), amount: n + 0.99 })));
await Session.collection.insertMany(Array.from({ length: 40 }, (_, n) => ({ _id: `s${n}abcdef`, expires: new Date(Date.now() + day), session: "{}" })));

const clerk = users[5]._id;
await Post.delete({ status: "review", _id: { $lt: posts[600]._id } }, clerk);
await Comment.delete({ rating: 1 }, clerk);
await Comment.collection.updateMany({ rating: 1, text: "" }, { $unset: { deletedAt: "" } }); // a script that marked by hand
const db = mongoose.connection.db;
await db.createCollection("publishedPosts", { viewOn: "posts", pipeline: [{ $match: { status: "published" } }] });
await db.createCollection("auditLog", { capped: true, size: 100_000 });
await db.createCollection("newsletters", { validator: { $jsonSchema: { bsonType: "object", required: ["subject"], properties: { subject: { bsonType: "string", maxLength: 80 }, sentAt: { bsonType: "date" }, campaign: { bsonType: "string" } } } } });
await db.collection("newsletters").insertMany(Array.from({ length: 30 }, (_, n) => ({ subject: `Issue ${n}`, sentAt: when(n, 30) })));
await mongoose.disconnect();
