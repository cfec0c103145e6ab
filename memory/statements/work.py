"""What the sessions of a coding agent state: instructions, decisions with reasons, files, failures.

Only a person's prompts state instructions and decisions. Of a tool use what the agent did counts,
by the turn's tags, which no output can forge: `file`, `outcome`, `fixed_by`. What a command printed
tells only with which words it failed.

    instruction   what the person asked for always, or never: "never commit without asking me"
    prefers       what they would rather have: "tabs, not spaces"
    decided       what was decided: "drop Redis"; about this the fact
    because       why: subject "drop Redis", value "it kept losing jobs"
    touched       of a session: a file that was changed in it
    failed_with   of a command: the line that says why it failed
    fixed_by      of a command that failed before: the files changed until it worked
"""

import re
from collections.abc import Iterator

from memory.records import Turn
from memory.statements.instructions import ASSISTANT, INSTRUCTION, PREFERENCE
from memory.statements.sentences import sentences
from memory.statements.statement import Statement

AGENT_TAG, FILE_TAG, OUTCOME_TAG, FIXED_TAG = "agent", "file", "outcome", "fixed_by"
FAILED_OUTCOME = "failed"
DECIDED, BECAUSE, TOUCHED = "decided", "because", "touched"
FAILED_WITH, FIXED_BY = "failed_with", "fixed_by"
_LONGEST_VALUE = 200  # characters
_LONGEST_HEAD = 120  # of a command as a subject
# Of a long prompt the person wrote the beginning and the end; what is between is pasted.
_ENDS = 600
_PASTED = re.compile(r"```.*?(?:```|\Z)|^\s*>.*$|^(?: {4,}|\t).*$", re.DOTALL | re.MULTILINE)
_LEAD = (
    r"(?:(?:and|but|also|so|ok(?:ay)?|oh|please|pls|btw|by the way|one more thing|remember|note"
    r"|important|rule)\b[\s,:.!-]*)*"
)
_SCOPE = (
    r"(?:from now on|in (?:the )?future|going forward|(?:in|for|across) (?:all|every|any)(?: of)?"
    r"(?: my| our)? (?:projects?|repos?|repositor(?:y|ies)|codebases?|sessions?)|everywhere"
    r"|in (?:this|the|our) (?:project|repo|repository|codebase)|here)"
)
_ALWAYS = re.compile(
    rf"^{_LEAD}(?P<value>(?:{_SCOPE}[\s,:]+)?(?:you (?:must|should) )?"
    r"(?P<how>never|do not ever|don't ever|always)\s+(?P<verb>[\w-]+)\b.*)$",
    re.IGNORECASE,
)
_SCOPED = re.compile(
    rf"^{_LEAD}(?P<value>{_SCOPE}[\s,:]+(?:do not |don't |please )?(?P<verb>[\w-]+)\b.+)$", re.I
)
_NOT_WITHOUT = re.compile(
    rf"^{_LEAD}(?P<value>(?:do not|don't)\s+(?P<verb>[\w-]+)\b.*\b"
    r"(?:without (?:asking|my|telling|permission|checking|a |an |tests?\b)|unless i|until i"
    r"|again|ever|any ?more|under any circumstances)\b.*)$",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\bi(?: already| have| had|'ve)? (?:told|asked|want) you (?:never|not) to (?P<rest>\w.+)$",
    re.IGNORECASE,
)
_PREFERENCE = re.compile(
    rf"^{_LEAD}(?:use|prefer|write|choose|take) (?P<value>[\w`'. /+#-]{{2,50}},? (?:not|never)"
    r" [\w`'. /+#-]{2,50})$",
    re.IGNORECASE,
)
# "Never mind", "never worked", "always fails": no imperatives.
_NO_IMPERATIVE = re.compile(
    r"mind|been|seen|had|got|went|came|thought|knew|heard|was|were|is|are|saw|did|has|again|the|a"
    r"|my|more|wrong|said|happen|the|in|on|at|if|i|we|it|when|what"
    r"|good|nice|great|glad|happy|fun|better|best|true|there|(?!reply|apply|rely|comply)\w+ly"
    r"|\w{3,}(?<!ne)(?<!sp)(?<!ex)(?<!f)ed|\w+[^s]s",
    re.IGNORECASE,
)
_VERBS = (
    r"go with|use|drop|switch(?: back)? to|move(?: back)? to|migrate to|remove|keep|stick with"
    r"|replace|get rid of|stay with|adopt|avoid|rewrite|split|merge|abandon|skip|postpone"
)
_PAST = {
    "went with": "go with",
    "chose": "choose",
    "picked": "pick",
    "dropped": "drop",
    "switched to": "switch to",
    "switched back to": "switch back to",
    "moved to": "move to",
    "migrated to": "migrate to",
    "removed": "remove",
    "kept": "keep",
    "replaced": "replace",
    "abandoned": "abandon",
    "got rid of": "get rid of",
    "adopted": "adopt",
}
_DECISION = re.compile(
    rf"(?:^|\b(?:ok(?:ay)?|so|then|and|yes|no)[\s,]+){_LEAD}(?:(?:let us|let's|we(?:'ll| will"
    rf"|'re going to| are going to| should)) (?P<verb>{_VERBS})"
    r"|(?:we|i)(?:'ve| have)? (?:decided|agreed|chosen) (?:to |on |that we )?(?P<plain>(?=\w))"
    rf"|we(?:'ve| have)? (?P<past>{'|'.join(_PAST)})) (?P<what>.+)$",
    re.IGNORECASE,
)
_IMPERATIVE = re.compile(
    rf"^{_LEAD}(?P<verb>drop|switch to|go with|get rid of|replace|stick with|move to)"
    r" (?P<what>.+)$",
    re.IGNORECASE,
)
_DECIDED_PLAINLY = re.compile(
    r"\b(?:we|i)(?:'ve| have)? (?:decided|agreed) (?:to|on|against|that) (?P<what>.+)$", re.I
)
_REASON = re.compile(
    r"[\s,;:(-]+(?:because(?: of)?|due to|so that|since (?=it|they|we|that|this|there|nobody)"
    r"|as (?=it|they|that|there|nobody)|(?<=, )(?=(?:it|they|that|this) \w))\s*(?P<why>\S.+)$",
    re.IGNORECASE,
)
_FOR_ALL = re.compile(
    r"\b(?:(?:in|for|across) (?:all|every|any)(?: of)?(?: my| our)? (?:projects?|repos?"
    r"|repositor(?:y|ies)|codebases?)|everywhere, always|always and everywhere|in general, )\b",
    re.IGNORECASE,
)
_TELLS_ERROR = re.compile(
    r"error|exception|fail|fatal|not found|denied|cannot|can't|unable|no such|undefined|refused"
    r"|traceback|panic|timed? ?out",
    re.IGNORECASE,
)


def work_statements(turn: Turn) -> list[Statement]:
    """What a turn of a coding agent's session states; [] for any other turn. English."""
    if AGENT_TAG not in turn.tags:
        return []
    if turn.kind == "tool":
        return list(_of_tool(turn))
    if turn.kind != "message" or ASSISTANT.fullmatch(turn.speaker.strip()):
        return []
    statements: dict[tuple[str, str], Statement] = {}
    for sentence in sentences(own_words(turn.text)):
        for statement in _of_sentence(" ".join(sentence.split()), turn.speaker):
            key = statement.attribute, f"{statement.subject} {statement.value}".casefold()
            statements.setdefault(key, statement)
    return list(statements.values())


def is_for_all_projects(turn: Turn, speaker: str) -> bool:
    """Whether a prompt asks for something in all projects: "in all my projects, never ..."."""
    if turn.kind != "message" or turn.speaker != speaker or not _FOR_ALL.search(turn.text):
        return False
    return any(
        statement.attribute in (INSTRUCTION, PREFERENCE) and _FOR_ALL.search(statement.value)
        for statement in work_statements(turn)
    )


def own_words(text: str) -> str:
    """A prompt without code, quotations and the middle of what is long."""
    words = _PASTED.sub("\n", text).replace("`", "")
    return words if len(words) <= 2 * _ENDS else f"{words[:_ENDS]}\n{words[-_ENDS:]}"


def _of_sentence(sentence: str, speaker: str) -> Iterator[Statement]:
    if not 8 <= len(sentence) <= 2 * _LONGEST_VALUE or sentence.endswith("?"):
        return
    words = sentence.rstrip(" .!;,")
    if told := _TOLD.search(words):
        yield Statement(speaker, INSTRUCTION, f"never {told['rest']}"[:_LONGEST_VALUE])
        return
    for pattern in (_ALWAYS, _NOT_WITHOUT, _SCOPED):
        match = pattern.match(words)
        if match and not _NO_IMPERATIVE.fullmatch(match["verb"]):
            value = match["value"]
            yield Statement(speaker, INSTRUCTION, (value[0].lower() + value[1:])[:_LONGEST_VALUE])
            return
    if preference := _PREFERENCE.match(words):
        yield Statement(speaker, PREFERENCE, preference["value"])
        return
    yield from _decision(words, speaker)


def _decision(words: str, speaker: str) -> Iterator[Statement]:
    plain = _DECIDED_PLAINLY.search(words)
    match = plain or _DECISION.search(words) or _IMPERATIVE.match(words)
    if not match:
        return
    what = match["what"]
    reason = _REASON.search(what)
    if reason:
        what = what[: reason.start()]
    elif match.re is _IMPERATIVE:
        return  # a task, not a decision
    groups = match.groupdict()
    past = groups.get("past")
    verb = groups.get("verb") or (_PAST[" ".join(past.lower().split())] if past else "")
    decision = f"{verb} {what}".strip(" ,.;:-")[:_LONGEST_VALUE]
    if len(decision.split()) < 2:
        return
    decision = decision[0].lower() + decision[1:]
    yield Statement(speaker, DECIDED, decision)
    if reason:
        yield Statement(decision, BECAUSE, reason["why"].strip(" ,.;:)")[:_LONGEST_VALUE])


def _of_tool(turn: Turn) -> Iterator[Statement]:
    head, _, output = turn.text.partition("\n")
    command = head.partition(": ")[2].strip()[:_LONGEST_HEAD]
    for file in _values(turn, FILE_TAG):
        yield Statement(turn.session, TOUCHED, file)
    if _values(turn, OUTCOME_TAG) == [FAILED_OUTCOME] and command:
        lines = [line.strip() for line in output.splitlines()[:-1]]
        telling = [line for line in lines if _TELLS_ERROR.search(line)]
        if telling:
            yield Statement(command, FAILED_WITH, telling[-1][:_LONGEST_VALUE])
    if command and (files := _values(turn, FIXED_TAG)):
        yield Statement(command, FIXED_BY, ", ".join(files)[:_LONGEST_VALUE])


def _values(turn: Turn, tag: str) -> list[str]:
    values = turn.tags.get(tag, ())
    return [values] if isinstance(values, str) else list(values)
