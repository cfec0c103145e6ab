"""The tables of search: columns, vectors and the embedder that made them."""
