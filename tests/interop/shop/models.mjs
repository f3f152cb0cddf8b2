// A shop as Mongoose applications are written: six models, five of them with mongoose-delete. It knows nothing of datactl.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PARTS}/package.json`);
export const mongoose = require("mongoose");
const mongooseDelete = require("mongoose-delete");

const { Schema, Types } = mongoose;
export const ObjectId = Types.ObjectId;
export const Decimal128 = Types.Decimal128;

const softDelete = (schema) =>
  schema.plugin(mongooseDelete, { deletedAt: true, deletedBy: true, overrideMethods: "all", indexFields: ["deletedAt"] });
const timed = { timestamps: true };

const address = new Schema({ street: String, city: { type: String, required: true }, zip: String }, { _id: false });

const userSchema = new Schema(
  {
    email: { type: String, required: true, unique: true, lowercase: true },
    name: { first: String, last: { type: String, required: true } },
    passwordHash: { type: String, required: true },
    role: { type: String, enum: ["customer", "clerk", "admin"], default: "customer" },
    addresses: [address],
    born: Date,
    preferences: { type: Map, of: String },
  },
  timed,
);

const categorySchema = new Schema(
  {
    name: { type: String, required: true },
    slug: { type: String, required: true },
    parent: { type: Schema.Types.ObjectId, ref: "Category" },
  },
  timed,
);
categorySchema.index({ slug: 1 });

const productSchema = new Schema(
  {
    title: { type: String, required: true, maxlength: 120 },
    sku: { type: String, required: true },
    warehouse: { type: String, required: true, enum: ["north", "south"] },
    category: { type: Schema.Types.ObjectId, ref: "Category", required: true },
    price: { type: Schema.Types.Decimal128, required: true },
    tags: [String],
    dimensions: { width: Number, height: Number, depth: Number },
    variants: [{ colour: String, stock: { type: Number, min: 0 } }],
    inventory: { quantity: { type: Number, default: 0 }, countedAt: Date },
  },
  timed,
);
productSchema.index({ sku: 1, warehouse: 1 }, { unique: true }); // the compound unique index
productSchema.index({ category: 1, price: -1 });

const orderSchema = new Schema(
  {
    number: { type: Number, required: true, unique: true },
    customer: { type: Schema.Types.ObjectId, ref: "User", required: true },
    items: [
      {
        _id: false,
        product: { type: Schema.Types.ObjectId, ref: "Product", required: true },
        quantity: { type: Number, min: 1, required: true },
        paid: Schema.Types.Decimal128,
      },
    ],
    state: { type: String, enum: ["open", "paid", "sent", "returned"], default: "open" },
    shipTo: address,
  },
  timed,
);
orderSchema.index({ customer: 1, createdAt: -1 });

const reviewSchema = new Schema(
  {
    product: { type: Schema.Types.ObjectId, ref: "Product", required: true },
    author: { type: Schema.Types.ObjectId, ref: "User", required: true },
    stars: { type: Number, min: 1, max: 5, required: true },
    text: String,
  },
  timed,
);
reviewSchema.index({ product: 1, author: 1 });

const paymentSchema = new Schema(
  {
    order: { type: Schema.Types.ObjectId, ref: "Order", required: true, index: true },
    amount: { type: Schema.Types.Decimal128, required: true },
    receipt: Buffer,
    at: { type: Date, default: Date.now },
  },
  { discriminatorKey: "__t" }, // Mongoose's own: two kinds in one collection, and no soft delete
);

for (const schema of [userSchema, categorySchema, productSchema, orderSchema, reviewSchema]) softDelete(schema);

export const User = mongoose.model("User", userSchema);
export const Category = mongoose.model("Category", categorySchema);
export const Product = mongoose.model("Product", productSchema);
export const Order = mongoose.model("Order", orderSchema);
export const Review = mongoose.model("Review", reviewSchema);
export const Payment = mongoose.model("Payment", paymentSchema);
export const Card = Payment.discriminator("Card", new Schema({ last4: String }));
export const Invoice = Payment.discriminator("Invoice", new Schema({ due: Date }));
export const MODELS = [User, Category, Product, Order, Review, Payment];

export const connect = () => mongoose.connect(process.env.SHOP_URI, { dbName: process.env.SHOP_DB });
