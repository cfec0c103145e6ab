"""Facts: who may say them, who they are about, and the words they are stored in."""
