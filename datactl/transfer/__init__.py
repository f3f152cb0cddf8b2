"""transfer: documents out to files and in from them."""
