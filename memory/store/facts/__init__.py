"""Facts: who may say them, who they are about, and in which words they are stored."""
