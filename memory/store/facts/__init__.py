"""Facts: by which right they stand, whom they are about, and the words they are stored in."""
