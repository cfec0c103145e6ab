"""The part of a memory shown for a question: one block, the same at every door.

`memory.evidence.block.evidence` makes it from a question, a reader of the memory, the hits of a
search and the rows of SELECTs, within a budget of tokens. Its parts in order
(`memory.evidence.layout.Evidence`):

1. wishes: what the asker wants of all answers, newest first;
2. contradictions that the question may be about, as pairs;
3. the story: a short account of events, for questions about a summary or an order;
4. facts: rows of SELECTs and current facts, as lists or lines;
5. notes: turns shown as their facts, in a story;
6. turns in the order they were said, each marked if it is outdated, disputed or said again with
   another value.

Another model's prompt gets everything but the wishes in a fence (`Evidence.fenced`) that no text
can close. Each door chooses the rest:

- ask and chat: the ranking (a chat without its recent turns), the model's budget, rows as lists;
  the packaged model gets rows as lines, and no wishes, which it cannot follow;
- context, the proxy and the JSON API: ten turns or what a budget holds, without the running
  session, and none if the gate says that the message touches nothing; current facts in 120 tokens;
  the story of the last session, if there is room; a fence;
- the tool `recall`: the best turns first, all cut alike; current facts in 120 tokens; no headings.
  The JSON API returns the same as records (`memory.evidence.block.recollect`);
- hooks of coding agents: six turns of other sessions through the gate, 80 tokens each, under a
  separate heading.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
