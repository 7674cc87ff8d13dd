"""The laws of the product, each stated by a test; the tree mirrors the packages."""
