// The application's own tests: what they make they take away again, so that they can run at any time.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Card, Category, Decimal128, MODELS, ObjectId, Order, Product, Review, User, connect, mongoose } from "./models.mjs";

const run = `run-${process.pid}-${Date.now()}`;
let category;
let counts;

const census = async () => Object.fromEntries(await Promise.all(MODELS.map(async (m) => [m.modelName, await m.collection.countDocuments()])));
const product = (n, more = {}) => ({ title: `T ${n}`, sku: `${run}-${n}`, warehouse: "north", category: category._id, price: Decimal128.fromString("1.20"), ...more });

before(async () => {
  await connect();
  counts = await census();
  category = await Category.create({ name: run, slug: run });
});

after(async () => {
  await Product.collection.deleteMany({ sku: { $regex: `^${run}` } });
  await Category.collection.deleteMany({ slug: run });
  await User.collection.deleteMany({ email: { $regex: `^${run}` } });
  await Order.collection.deleteMany({ number: { $lt: 0 } });
  assert.deepEqual(await census(), counts, "the tests left something behind");
  await mongoose.disconnect();
});

test("a product is created, found, changed and populated", async () => {
  const made = await Product.create(product(1, { tags: ["a", "b"], variants: [{ colour: "red", stock: 3 }] }));
  const found = await Product.findById(made._id).populate("category");
  assert.equal(found.category.slug, run);
  assert.deepEqual([...found.tags], ["a", "b"]);
  found.variants[0].stock = 2;
  found.tags.push("c");
  await found.save();
  const again = await Product.findById(made._id);
  assert.equal(again.variants[0].stock, 2);
  assert.equal(again.__v, 1);
});

test("the compound unique index refuses a second one, also of a deleted product", async () => {
  const one = await Product.create(product(2));
  await assert.rejects(Product.create(product(2)), { code: 11000 });
  await Product.create(product(2, { warehouse: "south" }));
  await one.delete();
  await assert.rejects(Product.create(product(2)), { code: 11000 });
});

test("a deleted product leaves the queries, and comes back", async () => {
  const one = await Product.create(product(3));
  const who = new ObjectId();
  await one.delete(who);
  assert.equal(await Product.findById(one._id), null);
  assert.equal(await Product.countDocuments({ sku: one.sku }), 0);
  const gone = await Product.findOneDeleted({ _id: one._id });
  assert.equal(String(gone.deletedBy), String(who));
  assert.ok(gone.deletedAt instanceof Date);
  await Product.restore({ _id: one._id });
  const back = await Product.findById(one._id);
  assert.equal(back.deleted, false);
  assert.equal(back.deletedAt, undefined);
});

test("what the schema does not allow is refused", async () => {
  await assert.rejects(Product.create(product(4, { warehouse: "moon" })), { name: "ValidationError" });
  await assert.rejects(Review.create({ product: new ObjectId(), author: new ObjectId(), stars: 9 }), { name: "ValidationError" });
});

test("an order with its customer and products is aggregated without the deleted", async () => {
  const customer = await User.create({ email: `${run}@shop.example`, name: { last: "L" }, passwordHash: "x", preferences: { theme: "dark" } });
  const one = await Product.create(product(5));
  await Order.create({ number: -process.pid, customer: customer._id, items: [{ product: one._id, quantity: 2, paid: Decimal128.fromString("2.40") }] });
  const [row] = await Order.aggregate([
    { $match: { number: -process.pid } },
    { $lookup: { from: "users", localField: "customer", foreignField: "_id", as: "who" } },
  ]);
  assert.equal(row.who[0].email, `${run}@shop.example`);
  assert.equal((await User.findById(customer._id)).preferences.get("theme"), "dark");
  await Order.delete({ number: -process.pid });
  assert.equal((await Order.find({ number: -process.pid })).length, 0);
});

test("payments are read as what they are", async () => {
  for (const one of await Card.find().limit(5)) assert.equal(one.last4, "4242");
});

test("every document that is found can be read, validated and has the types of the schema", async () => {
  for (const model of MODELS) {
    for await (const one of model.find().cursor()) {
      await one.validate();
      assert.ok(one.deleted !== true);
    }
  }
});
