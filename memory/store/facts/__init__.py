"""Facts: who may say them, who they are about, and the words in which they are stored."""
