"""What is to come: which plans are worth a fact."""

import re

from memory.statements.predicates import Predicate

_DAILY = re.compile(
    r"go (?:back )?to (?:bed|sleep|work|the (?:shop|store|toilet|loo"
    r"|bathroom))\b"
)
WHOLE_PLANS = frozenset({"move", "marry", "retire", "graduate", "emigrate"})
_PLAN_VERBS = re.compile(
    r"(?:be|have|get|need|want|see|try|let|know|think|say|tell|ask|die|cry|kill|miss|regret"
    r"|pretend"
    r"|ignore|keep|make|do|take|put|feel|look|hope|love|hate|like|send|give|happen|come|add"
    r"|start|go"
    r"|become|remember|check|report|remind|call|text|write|wait|live|find|use|stop|turn"
    r"|believe|admit"
    r"|explain|post|forward|bring|leave|pay|stick|stay|report|update|work|consider|experiment"
    r"|choose|aim|play|continue|focus|ensure|try|arrange|search|review|implement|integrate"
    r"|use|incorporate|test|apply|prioritize|adjust|double-check|compare|practice)"
)
SAYS_LITTLE = re.compile(
    r"\b(?:it|that|this|them|those|these|you|your|yourself|one|stuff|something|everything)\b"
    r"|\b(?:him|her|me|us)$",
    re.IGNORECASE,
)
_SOLID_REST = re.compile(
    r"(?:have|take) (?:an?|the|my|her|his) (?:baby|exam|test|operation|surgery|interview"
    r"|lesson|party)"
    r"|(?:go|fly|come|move|drive) (?:back )?(?:to|home to|on) |start (?:at|a|my|as|the|school"
    r"|uni|work|in)"
    r"|get (?:married|a (?:dog|cat|puppy|flat|house|tattoo|job))|stay (?:in|with|at)"
    r"|live (?:in|with)"
    r"|work (?:at|as|for|in)|leave (?:the|for|my)|become an?\b|call (?:it|her|him)? ?(?:the"
    r" )?[A-Z]"
    r"|move|marry|retire|emigrate|adopt a|quit (?:my|the)|visit (?:my|[A-Z])|open a|buy a"
    r"|be in [A-Z]|see [A-Z]|make (?:an?|the) |do (?:an?|the|my) |write (?:an?|my|the)|turn \d"
)


def is_plan(verbs: Predicate, *, is_dated: bool) -> bool:
    """Whether what is to come is worth a fact: "will move to Porto", not "will let you know"."""
    text = f"{verbs.verb} {verbs.rest}"
    if _DAILY.match(text):
        return False
    if _SOLID_REST.match(text):
        return True
    is_promise = verbs.is_will and not is_dated
    return not (is_promise or _PLAN_VERBS.fullmatch(verbs.verb))
