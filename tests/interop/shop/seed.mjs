// Fills the shop: some documents are deleted by mongoose-delete, as its users have done for years.
import { Card, Category, Decimal128, Invoice, MODELS, ObjectId, Order, Product, Review, User, connect, mongoose } from "./models.mjs";

const day = 86_400_000;
const pick = (list, n) => list[n % list.length];

await connect();
for (const model of MODELS) {
  await model.createCollection();
  await model.createIndexes();
}

const users = await User.insertMany(
  Array.from({ length: 120 }, (_, n) => ({
    email: `user${n}@shop.example`,
    name: n % 7 ? { first: `First${n}`, last: `Last${n}` } : { last: `Last${n}` },
    passwordHash: `$2b$10$${String(n).padStart(4, "0")}abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU`.slice(0, 60),
    role: pick(["customer", "customer", "customer", "clerk", "admin"], n),
    addresses: Array.from({ length: n % 3 }, (_, k) => ({ street: `${k + 1} Road`, city: `City${n % 9}`, zip: `${10000 + n}` })),
    born: n % 4 ? new Date(Date.UTC(1960 + (n % 40), n % 12, 1)) : undefined,
    preferences: n % 5 ? { theme: pick(["dark", "light"], n), [`flag${n}`]: "on" } : undefined,
  })),
);
const tops = await Category.insertMany(Array.from({ length: 5 }, (_, n) => ({ name: `Top ${n}`, slug: `top-${n}` })));
const categories = await Category.insertMany(
  Array.from({ length: 20 }, (_, n) => ({ name: `Category ${n}`, slug: `category-${n}`, parent: pick(tops, n)._id })),
);
const products = await Product.insertMany(
  Array.from({ length: 600 }, (_, n) => ({
    title: `Product ${n}`,
    sku: `SKU-${String(n >> 1).padStart(4, "0")}`,
    warehouse: pick(["north", "south"], n),
    category: pick(categories, n)._id,
    price: Decimal128.fromString(`${(n % 97) + 1}.${n % 2 ? "50" : "5"}`),
    tags: Array.from({ length: n % 4 }, (_, k) => `tag${(n + k) % 11}`),
    dimensions: n % 3 ? { width: n + 0.5, height: n, depth: 1 } : undefined,
    variants: Array.from({ length: n % 3 }, (_, k) => ({ colour: pick(["red", "green", "blue"], n + k), stock: n % 13 })),
    inventory: { quantity: n % 50, countedAt: n % 2 ? new Date(Date.UTC(2024, n % 12, 3)) : undefined },
  })),
);
const orders = await Order.insertMany(
  Array.from({ length: 400 }, (_, n) => ({
    number: 1000 + n,
    customer: pick(users, n)._id,
    items: Array.from({ length: 1 + (n % 3) }, (_, k) => ({
      product: pick(products, n * 3 + k)._id,
      quantity: 1 + ((n + k) % 4),
      paid: Decimal128.fromString("9.99"),
    })),
    state: pick(["open", "paid", "sent", "returned"], n),
    shipTo: { street: "1 Road", city: `City${n % 9}` },
  })),
);
await Review.insertMany(
  Array.from({ length: 500 }, (_, n) => ({
    product: pick(products, n)._id,
    author: pick(users, n * 7)._id,
    stars: 1 + (n % 5),
    text: n % 6 ? `It is ${pick(["good", "fine", "poor"], n)}` : undefined,
  })),
);
await Card.insertMany(orders.slice(0, 150).map((order, n) => ({ order: order._id, amount: Decimal128.fromString(`${n}.00`), last4: "4242" })));
await Invoice.insertMany(
  orders.slice(150, 200).map((order, n) => ({
    order: order._id,
    amount: Decimal128.fromString(`${n}.10`),
    due: new Date(Date.UTC(2026, 1, 1)),
    receipt: Buffer.from([1, 2, n]),
  })),
);

const clerk = new ObjectId(users[3]._id);
await Review.delete({ stars: 1 }, clerk); // 100 reviews
await Order.delete({ number: { $lt: 1020 } }, clerk); // 20 orders
await Order.collection.updateMany({ deleted: true }, { $set: { deletedAt: new Date(Date.now() - 200 * day) } }); // long ago
await Category.collection.insertOne({ name: "Before the plugin", slug: "before", createdAt: new Date(), updatedAt: new Date(), __v: 0 }); // no `deleted`
await mongoose.disconnect();
