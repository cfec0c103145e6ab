"""A day of ten thousand users, replayed in compressed time against a real server and workers."""
