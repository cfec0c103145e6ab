"""What is shown of a memory for a question: one block, the same at every door.

`memory.evidence.block.evidence` makes it from a question, a reader of the memory, the hits of a
search and the rows of SELECTs, within a budget of tokens. Its parts, in the order in which they
stand (`memory.evidence.layout.Evidence`):

1. wishes: what the asker wants of all answers, newest first;
2. contradictions that the question may be about, as pairs;
3. the story: what happened in short, where a summary or an order is asked for;
4. facts: rows of SELECTs and current facts, as lists or lines;
5. notes: turns told by their facts, in a story;
6. turns in the order in which they were said, each marked where it is outdated, disputed or said
   again with another value.

Another model's prompt gets all but the wishes in a fence (`Evidence.fenced`), which no text can
close. What a door still chooses:

- ask and chat: the ranking (a chat without its recent turns), the model's budget, rows as lists;
  the packaged model gets rows as lines, and no wishes, which it cannot follow;
- context, the proxy and the JSON API: ten turns or what a budget holds, none of the running session
  and none where the gate says that the message touches nothing; current facts in 120 tokens; the
  story of the last session, where there is room; a fence;
- the tool `recall`: the best turns first, all cut alike; current facts in 120 tokens; no headings.
  The JSON API returns the same as records (`memory.evidence.recollection.recollect`);
- hooks of coding agents: six turns of other sessions through the gate, 80 tokens each, under a
  heading of their own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
