"""Work for all memories, in turn: digests, summaries, refinement, forgetting, changes sent on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
