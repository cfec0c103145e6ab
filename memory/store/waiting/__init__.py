"""What waits in a memory: windows for a digest, tasks for a worker, and who has claimed them."""
