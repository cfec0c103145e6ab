"""Work for all memories, in turn: digests, summaries, refinement, forgetting, changes sent on."""
