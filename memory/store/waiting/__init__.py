"""Work that waits: windows for a digest, tasks for a worker, and the claims on them."""
