"""Kinds of help: a request asks for one, and a standing instruction or preference is about one.

"Use exact fractions" is about solving, and "what is the slope of this line?" shares no word with
it. Compares words, without a model.
"""

import re
from collections.abc import Collection

from memory.search.word_forms import telling_words

# What a request for this kind of help says, and what a wish about it does.
_KINDS = (
    (  # to build
        r"\b(?:add|build|implement|set(?:ting)? up|integrate|enable|disable|create|configure"
        r"|connect|handle|manage|enhance|deploy|refactor|optimi[sz]e)(?:ing)?\b",
        r"\b(?:implementation|implementing|cod(?:e|ing)|programming|technical|frameworks?"
        r"|dependenc\w+)\b",
    ),
    (  # to solve
        r"\b(?:find|solve|calculate|compute|work out|derive|prove|evaluate|simplify|determine)\b",
        r"\b(?:problem[- ]solving|solving|calculations?|comput\w+|equations?|fractions?|decimals?"
        r"|proofs?)\b",
    ),
    (  # to bring into a form
        r"\b(?:format|structure|organi[sz]e|arrange|lay ?out)\w*",
        r"\b(?:format\w*|structur\w*|organi[sz]\w*|bullet points|templates?|headings?|layout"
        r"|style)\b",
    ),
    (  # to choose tools; "Word over Docs"
        r"\b(?:tools?|software|apps?|librar(?:y|ies)|frameworks?|packages?)\b",
        r"\b(?:tools?|software|apps?|librar(?:y|ies)|frameworks?|packages?|dependenc\w+)\b"
        r"|(?-i:(?<![\w.])[A-Z][\w.]*(?: [A-Z0-9][\w.]*){0,4}"
        r" (?:over|instead of|rather than|to) [A-Z])",
    ),
    (  # to explain
        r"\b(?:explain|walk me through|help me understand|teach|show me (?:how|the|another)"
        r"|how does)\b",
        r"\b(?:explanations?|examples?|step[- ]by[- ]step|explain\w*)\b",
    ),
    (  # where
        r"\bwhere (?:do|should|can|could|would|to|is)\b|\b(?:places?|spots?|locations?|venues?)\b",
        r"\b(?:librar(?:y|ies)|caf[e\u00e9]s?|coffee shops?|office|home|parks?|quiet\w*|places?"
        r"|restaurants?|hotels?|outdoors?|indoors?|floor)\b",
    ),
    (  # when
        r"\b(?:what time|when should|schedule|time of day|how often|plan my)\b",
        r"\b(?:mornings?|evenings?|afternoons?|weekends?|nights?|early|late|schedule|sessions?"
        r"|breaks?)\b",
    ),
)
_PATTERNS = tuple(
    (re.compile(request, re.IGNORECASE), re.compile(wish, re.IGNORECASE))
    for request, wish in _KINDS
)
# Words that make no case special: "problem-solving methods" is about all that is solved.
_OF_ANY_CASE = frozenset(
    {
        *("about", "advice", "always", "approach", "approaches", "better", "clear"),
        *("clearly", "concept", "concepts", "concrete", "detail", "detailed", "details"),
        *("explicitly", "general", "guidance", "help", "include", "issue", "issues"),
        *("method", "methods", "preferences", "problem", "problems", "provide", "question"),
        *("questions", "requests", "step", "task", "tasks", "tip", "tips", "topic"),
        *("topics", "use", "using"),
    }
)
_LEAST_SHARE = 0.5  # of a case's words


def requested_kinds(request: str) -> frozenset[int]:
    """The kinds of help that a request asks for, as numbers."""
    return frozenset(n for n, (asks, _) in enumerate(_PATTERNS) if asks.search(request))


def is_of_kind(wish: str, kinds: Collection[int]) -> bool:
    """Whether a wish speaks of one of these kinds of help."""
    return any(_PATTERNS[kind][1].search(wish) for kind in kinds)


def is_of_whole_kind(case: str, kinds: Collection[int]) -> bool:
    """Whether a case is such help as a whole: "implementation details", not "tangent lines"."""
    words = telling_words(case)
    return bool(words) and any(
        _PATTERNS[kind][1].search(case)
        and sum(word in _OF_ANY_CASE or bool(_PATTERNS[kind][1].search(word)) for word in words)
        >= _LEAST_SHARE * len(words)
        for kind in kinds
    )
