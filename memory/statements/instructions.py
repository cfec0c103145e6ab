"""What somebody asks for in every answer: standing instructions and preferences, read by rules.

"Always give versions when I ask about libraries", "no emojis please", "I prefer few dependencies".
What asks for one answer alone ("Give me five tips") and advice to people ("Always lock the door")
is none of these: without "when I ask ..." the words must be about answers.
"""

import re
from collections.abc import Iterator

from memory.statements.sentences import sentences, written_out
from memory.statements.statement import End, Statement

# Names that the default vocabulary gives to them. Of the last three the newest is in force.
INSTRUCTION, PREFERENCE = "instruction", "prefers"
LANGUAGE, LENGTH, CALLED = "answer_language", "answer_length", "wants_to_be_called"
STANDING = (INSTRUCTION, PREFERENCE, LANGUAGE, LENGTH, CALLED)

# The names that chats, exports and other programs give an assistant.
ASSISTANT = re.compile(
    r"(?:(?:ai|virtual|personal) )?assistant|ai|(?:chat ?)?bot|chatgpt|gpt|claude|gemini|copilot"
    r"|codex|opencode|system|tool",
    re.IGNORECASE,
)
_LONGEST_VALUE = 300  # characters
_LONG_SENTENCE = 550  # characters; `sentences` cuts a longer one at 600
# Pasted prompts are for another model.
_PASTED = re.compile(
    r"\b(?:act as|you are (?:now )?an? [\w ]{3,40}|ignore (?:all|any|the|your|every)?\s*(?:previous"
    r"|prior|earlier|above)|(?:system|developer) (?:prompt|message)|disregard)\b",
    re.IGNORECASE,
)
_LANGUAGES = (
    "english|german|french|spanish|portuguese|italian|dutch|polish|russian|ukrainian|turkish"
    "|greek|swedish|norwegian|danish|finnish|czech|hungarian|romanian|japanese|chinese|mandarin"
    "|korean|arabic|hebrew|hindi|welsh|irish|gaelic|catalan|basque|latin|plain english"
)
_ANSWERS = r"(?:answers?|repl(?:y|ies)|responses?|explanations?|messages?|summar(?:y|ies)|outputs?)"
# What only an answer can have or lack: enough by itself.
_STYLE = (
    r"(?:emojis?|emoticons?|smileys?|bullets?|bullet points?|bulleted lists?|markdown|jargon"
    r"|exclamation (?:marks|points)|small talk|disclaimers?|preambles?|buzzwords|slang|filler"
    r"|headings|headers|bold(?: text| font)?|hashtags|em[- ]dash(?:es)?|acronyms|abbreviations"
    r"|flattery|apologies|long paragraphs|walls? of text|passive voice|sugar-?coating)"
)
# What answers often have, beside an "always": sources, units, forms.
_CONTENT = (
    r"(?:sources|citations|references|links|examples?|code|code (?:snippets?|blocks?)|snippets"
    r"|versions|version numbers|metric(?: units| system)?|imperial(?: units)?|units"
    r"|celsius|fahrenheit|kilomet(?:re|er)s|kilos|kilograms|miles|euros|dollars|pounds|currency"
    r"|dates|times|24-hour|24 hour|12-hour|iso|format|formats|steps|step[- ]by[- ]step|diagrams?"
    r"|tables?|lists?|charts?|graphs?|prices|costs|calories|quantities|page numbers"
    r"|(?:british|american|uk|us) (?:spelling|english)|spelling"
    r"|sentences?|paragraphs?|words|lines|tone|time zones?|pros and cons|alternatives"
    r"|trade-?offs|caveats|options|type hints|comments|docstrings|tests|camelcase|snake_case"
    r"|follow-?up questions?|clarifying questions?|gender-neutral|first name|surname|nickname"
    r"|tabs|spaces|python|typescript|javascript|sql|rust|java|plain text|plain language"
    r"|simple (?:terms|words|language)|layman's terms|formal(?:ly)?|informal(?:ly)?)"
)
_MANNER = (
    r"(?:briefly|concisely|shortly|in short|in detail|succinctly|politely|formally|informally"
    r"|casually|bluntly|directly|honestly|kindly|to the point)"
)
_VERBS = (
    r"(?:answer|reply|respond|write|use|include|give|provide|show|explain|format|list|cite|quote"
    r"|mention|add|tell|state|say|spell|address|greet|speak|talk|translate|convert|round|put|keep"
    r"|highlight|note|summari[sz]e|confirm|specify|label|display|describe|define|compare|ask"
    r"|suggest|recommend|offer|start|begin|end|finish|open|close|skip|omit|avoid|limit|stick|stay"
    r"|prioriti[sz]e|name|report|present|be|make|assume|send|structure|order|sort|base|do"
    r"|apologi[sz]e|remind|warn|point out|leave out|check|draft|prefer|choose|pick|go for|wait)"
)
# What an assistant does for somebody, and with words.
_DEEDS = r"(?:schedule|book|order|buy|send|remind|wake|warn|ask|tell|show|give|plan|reserve)"
_SAYS = (
    r"(?:show|write|name|give|suggest|recommend|draft|explain|list|answer|reply|respond|quote|mention"
    r"|cite|summari[sz]e|translate|describe|report)"
)
_ALWAYS = (
    r"(?:always|never|do not ever|only ever|from (?:now|here|this point|today) on(?:wards?)?"
    r"|in (?:the )?future|going forward|as of (?:now|today)|by default|every time|each time"
    r"|(?:in|for) (?:all|every|each|any)(?: of)?(?: your| my| future| the)? ?"
    r"(?:answers?|repl(?:y|ies)|responses?|messages?|questions?))"
)
_ASK = (
    r"(?:when(?:ever)?|if|before|every ?time|each time|any ?time)\s+i(?: am asking| ask| request"
    r"| want| need| mention| send| share| paste| talk| bring)\b(?: you)?"
)
# Of an answer, not of a day: "whenever you name a library".
_YOU_SAY = rf"(?:when(?:ever)?|every ?time|each time|any ?time|if)\s+you {_SAYS}\b"
_LEAD = re.compile(
    r"^\W*(?:(?:hey|hi|hello|ok(?:ay)?|so|oh|also|and|but|btw|by the way|one (?:more )?thing"
    r"|just|(?:quick )?note|thanks|thank you|great|good|perfect|actually|ps|p\.s\.|well|right"
    r"|remember|reminder|fyi|for the record|small request|one request)\b[\s,.:;!-]*)+",
    re.IGNORECASE,
)
_POLITE = (
    r"(?:please|pls|kindly|just|could you|can you|would you|will you|i(?: would|'d)? (?:like|want"
    r"|need|expect|prefer|love)(?: it if)? you(?: to)?|i would appreciate it if you(?: could)?"
    r"|make sure (?:to|you|that you)|be sure to|remember to|try to|you (?:should|must|can|may"
    r"|have to|need to)|let us|do)"
)
_START = rf"(?:(?:{_POLITE})[\s,]+)*"
_IS_NOT = r"(?:do not|never|stop|quit|avoid|skip|drop|no more|no need (?:to|for)|leave out|without)"
# "when you are tired" tells somebody how to live, and so does "your password".
_OF_OTHERS = re.compile(
    r"\b(?:when(?:ever)?|if|before|after|while)"
    rf" (?:you(?! {_SAYS}\b)|he|she|they|we|it|people)\b"
    rf"|\byour (?!{_ANSWERS}\b|name\b|reasoning\b|sources\b|writing\b|tone\b|code\b|examples\b)"
    r"|\b(?:him|his|her|hers|them|their|people|strangers|kids|children|everyone|everybody"
    r"|somebody)\b"
    r"|\bmy (?!questions?\b|answers?\b|name\b|code\b|first name\b|drafts?\b|emails?\b|texts?\b"
    r"|messages?\b|project\b|stack\b)",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:[\s,]+(?:please|pls|thanks|thank you|ok(?:ay)?|will you|would you|if you can"
    r"|if possible|thx|cheers))*[\s.!?,;:-]*$",
    re.IGNORECASE,
)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_SCOPED = _pattern(rf"^{_START}(?P<value>(?:{_ALWAYS}[\s,]+{_START})?\w[^.?!]*?\b{_ASK}\b.{{3,}})$")
_SCOPE_FIRST = _pattern(
    rf"^(?P<value>{_ASK}\b[^,]{{3,120}},\s*(?:then\s+)?{_START}(?P<rest>\w.+))$"
)
_WITH_ALWAYS = _pattern(rf"^{_START}(?P<value>{_ALWAYS}[\s,:]+{_START}(?P<rest>\w.+))$")
_ALWAYS_LAST = _pattern(rf"^{_START}(?P<value>(?P<rest>(?:{_IS_NOT}\s+)?\w.+?)[\s,]+{_ALWAYS})$")
_WITHOUT = _pattern(
    rf"^{_START}(?P<value>(?:no|{_IS_NOT})\s+(?:\w+\s+){{0,3}}?{_STYLE}"
    rf"(?:(?:,| or| and|, or) (?:\w+\s+){{0,2}}?{_STYLE})*"
    rf"(?: (?:in|with) (?:your|the|any|all|my) ?{_ANSWERS})?(?: any ?more| again| ever)?)$"
)
_YOUR_ANSWERS = _pattern(
    rf"^{_START}(?P<value>(?:{_IS_NOT}\s+)?(?:keep|make|write|give|format|end|start|begin)\s+"
    rf"(?:me )?(?:your|all(?: your)?|every|each)\s+(?:\w+\s+)?{_ANSWERS}\b.*)$"
)
_ANSWERS_ARE = _pattern(
    rf"^(?P<value>(?:your|all(?: your)?) {_ANSWERS} (?:should|must|need to|have to|ought to) .+)$"
)
_I_LIKE_ANSWERS = _pattern(
    rf"^i (?:\w+ )?(?:would like|like|want|prefer|need|love) (?P<value>(?:my |your |all |short "
    rf"|long |brief |concise |detailed |direct |plain |honest |simple )+{_ANSWERS}\b.*)$"
)
_WHEN_YOU_SAY = _pattern(rf"^{_START}(?P<value>(?P<rest>\w[^.?!]*?)\s{_YOU_SAY}.{{3,}})$")
_UNITS = (
    r"(?:celsius|fahrenheit|kelvin|metric(?: units)?|imperial(?: units)?|kilomet(?:re|er)s|miles"
    r"|kilos|kilograms|pounds|grams|ounces|euros|dollars|(?:24|12)[- ]hour(?: time| format)?"
    r"|(?:british|american|uk|us) (?:spelling|english)|iso format|utc)"
)
# A unit is meant for good, unless it is that of one number: "give the time in UTC".
_IN_UNITS = _pattern(
    rf"^{_START}(?P<value>(?:use|give|write|show|state|put|quote|keep|convert)\s+(?:me\s+)?"
    r"(?:all\s+|any\s+)?(?!(?:the|this|that|it|a|an|these|those|my|me)\b)(?:[a-z]+s\s+)?"
    rf"(?:in(?:to)?\s+)?{_UNITS}(?:,.*)?)$"
)
_NONE_IN = _pattern(
    r"^(?:please\s+)?(?P<value>no\s+(?:\w+\s+){1,3}in\s+(?:your |the |my |any )?"
    rf"(?:code|emails?|drafts?|texts?|{_ANSWERS})\b.*)$"
)
_FOR_ME = _pattern(
    rf"^{_START}(?P<value>(?:always|never)\s+{_DEEDS}\b[^.?!]*?\b(?:for me|me)\b.*)$"
)
_IN_LANGUAGE = _pattern(
    r"^(?:only |to me |me |you )*(?:answer|reply|respond|write|speak|talk|chat|switch)"
    rf"(?: to me| me| everything| back| with me)?(?: only)? (?:in|to) (?P<language>{_LANGUAGES})"
    r"(?: only| from now on| please)*$"
)
_OF_LENGTH = _pattern(
    rf"^(?:keep|make|give me|write)? ?(?:your|all(?: your)?) {_ANSWERS} (?:to be |should be )?"
    r"(?P<length>(?:very |really |as )?(?:short|brief|concise|long|detailed|to the point)"
    r"(?: and (?:short|brief|concise|to the point|simple|sweet))?)$"
)
_CALL_ME = re.compile(
    r"^(?:[Dd]o not call me [A-Z][\w'\u2019-]*[,;]? (?:but )?)?"
    r"(?:(?:[Pp]lease|[Yy]ou can|[Yy]ou may|[Jj]ust|[Aa]lways|[Ff]rom now on|[Ee]veryone calls me"
    r"|[Bb]ut|[Ss]o|[Aa]nd|[Cc]ould you|[Cc]an you)[\s,]+)*"
    r"(?:[Cc]all me|[Aa]ddress me as|[Rr]efer to me as)"
    r" (?P<name>[A-Z][\w'\u2019.-]*(?: [A-Z][\w'\u2019-]+){0,2})"
    r"(?:,? (?:please|from now on|instead|not|rather|and|for short|if)\b.*)?$"
)
_NO_NAMES = frozenset(
    {
        *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Today"),
        *("Tomorrow", "Back", "Later", "When", "If", "Crazy", "Old", "Maybe", "A", "An", "The"),
    }
)
_CLAUSE = r"(?:[^;.?!]|\.(?=\d)){3,}"  # with the point of "OAuth 2.0"
_I_PREFER = _pattern(
    r"\b(?<!as )(?<!like )(?<!what )(?<!which )(?<!whichever )(?<!do )"
    r"i (?:really |generally |usually |always |much |personally |still |also |definitely |tend to"
    r" |actually |now |strongly |just |normally |mostly |typically )*prefer"
    rf" (?P<value>{_CLAUSE})"
)
_MY_PREFERENCE = _pattern(
    rf"^my (?:\w+ )?preference is (?:for |to (?:have |use |get )?)?(?P<value>{_CLAUSE})"
)
_RATHER = _pattern(
    r"^(?:(?:.*,|but|and|so) )?i would (?:(?P<much>much|far) )?(?:really )?rather "
    r"(?!(?:not|have|you|die|be|he|she|they|we|i|it|that)\b)(?P<value>(?:[^;.?!]){3,})"
)
_MORE_THAN = _pattern(
    r"\bi (?:really |generally |usually |always |much |still )*like (?!to say\b)"
    rf"(?P<value>{_CLAUSE}"
    r" (?:more|better) than [^;.?!,]+)"
)
# "For restaurants, I like small ones": the case stays in the value.
_LIKE_IN = _pattern(
    r"^(?P<value>(?:in|for|with|on) (?!(?:the|my|this|that|these|those|a|an|our|his|her)\b)"
    r"(?:\w+ )?\w+s,? i (?:usually |always |generally |only |mostly )*(?:like|want|go for|use)"
    r" [^;.?!]{3,})"
)
_CHOSE = _pattern(
    r"\b(?:i|we) (?:have |am |are )?(?:just |now |finally |also )*"
    r"(?:decided|chosen|chose|opted|going|went|settled|picked|picking|choosing|opting)"
    r" (?:to (?:go with|use|go for|stay with|stick with) |with |for |on )?"
    r"(?P<value>[^;.?!,]{2,80}? (?:over|rather than|instead of) [^;.?!,]{2,80})"
)
_COMES_TO = _pattern(
    r"\bi (?:always|usually|mostly|generally|only|tend to) (?P<value>[^;.?!]{3,}? when it comes to"
    r" [^;.?!,]{3,})"
)
_KEEP_LOW = _pattern(
    r"\bi (?:always |usually )?(?:try|like|prefer|want) to (?P<value>(?:keep|have) [^;.?!,]{2,60}?"
    r" (?:to a minimum|to the minimum|small|short|simple|low|light|lean|few|minimal)\b[^;.?!]*)"
)
_PREFERENCE_FOR = _pattern(
    r"\b(?:my (?:\w+ )?|(?:have|has been|had set|set|got) an? (?:\w+ )?)preference for"
    rf" (?P<value>{_CLAUSE})"
)
# "using Bootstrap and I prefer it over Foundation".
_PREFER_IT = _pattern(
    r"\b(?:using|use|with|chose|choose|picked|pick)"
    r" (?P<what>(?-i:[A-Z])[\w.+#-]*(?: (?-i:[A-Z0-9])[\w.+#-]*){0,3}),?"
    r" (?:and|because|since|as|which) i (?:really |strongly )?prefer (?:it |this )?"
    r"(?P<value>(?:over|to) [^;?!,]{2,60}?)(?= due to| because| since| for its|,|;|$)"
)
# "I am adding polling, and I prefer this approach over sockets".
_PREFER_THIS = _pattern(
    r"\b(?:add|adding|build|building|implement|implementing|set up|setting up|use|using|try|trying"
    r" out) (?P<what>[^,;.?!]{3,80}), (?:and|because|since|as|which) i (?:really |strongly )?prefer"
    r" (?:this|that)(?: approach| way| method| option| style)? (?P<value>(?:over|to|instead of)"
    r" [^;?!,.]{2,60}?)(?= due to| because| since| for its| to \w+ \w+|,|;|$)"
)
# Where the words about a preference end and something else begins.
_PREFERENCE_ENDS = re.compile(
    r",?\s+(?:can you|could you|would you|so (?:can|could|i|please|that i|what|how)|but (?:i|is|it"
    r"|what|how|do)|how (?:can|do|should)|considering|given (?:that|my)|what (?:do|would|should)"
    r"|and (?:i|can|could|what|how)|as i(?: a|')m|since i|is (?:that|this|it)|do you|which is)\b.*"
    r"|,\s+(?:you know|like|as|especially|considering|given|i|and|but|so)\b.*|\s+-+\s.*",
    re.IGNORECASE,
)
# "I prefer it", "I prefer to use them": what is meant stands elsewhere.
_NO_PREFERENCE = _pattern(
    r"^(?:(?:using|to use|doing|to do|having|to have|with) )?(?:it|that|this|these|those|them|you"
    r"|him|her|not|if|when|the (?:former|latter|first|second|last|other)(?: one| option)?)\b"
)
_OTHER_PREFERENCES = (_MORE_THAN, _LIKE_IN, _CHOSE, _COMES_TO, _KEEP_LOW)
_QUOTES = _pattern(r"[\"\u201c\u201d]|\b(?:said|says|told|asked)\b")
_UNDONE = _pattern(
    rf"^{_START}(?P<value>(?:stop|quit|no need to|do not bother to|you (?:can|may) stop)\s+\w+"
    rf"\s+(?:the |any |all |those |my |your )?(?P<object>(?:\w+ )??(?:{_STYLE}|{_CONTENT})"
    rf"|{_CONTENT} {_CONTENT})(?: any ?more| any longer| now)?)$"
)
_AGAIN = _pattern(
    rf"^{_START}(?P<value>(?:use|add|include|give me|show) (?:the |some )?(?P<object>{_STYLE}"
    rf"|{_CONTENT}) again)$"
)


_COMMAND = _pattern(rf"(?:(?:{_ALWAYS}|only|also)\s+)*(?:{_IS_NOT}\s+)?{_VERBS}\b")
_FIRST_WORD = _pattern(rf"(?P<always>{_ALWAYS}[\s,]+{_START})?(?:{_IS_NOT}\s+)?(?P<word>\w+)")
_SUBJECTS = _pattern(r"i|we|he|she|they|it|you|my|people")
_VERB_FIRST = _pattern(
    rf"(?:(?:do not|never|only|also|ever|to)\s+)*(?:{_IS_NOT}\s+)?{_VERBS}\b|(?:no|{_IS_NOT})\b"
)
_OF_ANSWERS = _pattern(
    rf"\b(?:{_STYLE}|{_CONTENT}|{_MANNER})(?![\w-])|\bmy questions?\b|\b{_ANSWERS}\b"
    rf"|\bin (?:{_LANGUAGES})\b"
)


def instructions(text: str, speaker: str) -> list[Statement]:
    """The standing instructions and preferences that a message of a person states. English."""
    if _PASTED.search(text):
        return []
    statements: dict[tuple[str, str], Statement] = {}
    for sentence in sentences(text):
        for statement in _of_sentence(written_out(sentence), speaker):
            statements.setdefault((statement.attribute, statement.value.casefold()), statement)
    return list(statements.values())


def _of_sentence(sentence: str, speaker: str) -> Iterator[Statement]:
    plain = _TAIL.sub("", _LEAD.sub("", sentence)).strip()
    if match := _CALL_ME.match(plain):
        if match["name"].split()[0] not in _NO_NAMES:
            yield Statement(speaker, CALLED, match["name"])
        return
    if match := _UNDONE.match(plain) or _AGAIN.match(plain):
        yield Statement(
            speaker,
            INSTRUCTION,
            _in_small(match["value"]),
            ends=(End(INSTRUCTION, match["object"]),),
        )
        return
    value = _instruction(plain, is_question=sentence.rstrip().endswith("?"))
    if value:
        yield _as_statement(value, speaker)
        return
    is_question = sentence.rstrip().endswith("?")
    for preference_of in _OTHER_PREFERENCES if not is_question else ():
        match = preference_of.search(plain)
        words = match["value"].strip(" ,:") if match else ""
        if words and not _NO_PREFERENCE.match(words) and not _QUOTES.search(plain):
            yield Statement(speaker, PREFERENCE, words[:_LONGEST_VALUE])
            return
    if (match := _RATHER.search(plain)) and not is_question:
        if match["much"] or " than " in match["value"]:
            yield Statement(speaker, PREFERENCE, match["value"].strip(" ,:")[:_LONGEST_VALUE])
        return
    if match := _PREFER_IT.search(plain) or _PREFER_THIS.search(plain):
        yield Statement(speaker, PREFERENCE, f"{match['what']} {match['value']}"[:_LONGEST_VALUE])
        return
    for match in filter(
        None, [_I_PREFER.search(plain), _MY_PREFERENCE.match(plain), _PREFERENCE_FOR.search(plain)]
    ):
        preference = _PREFERENCE_ENDS.sub("", match["value"]).strip(" ,:")
        if len(plain) >= _LONG_SENTENCE:  # it is cut, in a word as like as not
            preference = preference.rpartition(" ")[0] if plain.endswith(preference) else preference
        if preference and not _NO_PREFERENCE.match(preference):
            yield Statement(speaker, PREFERENCE, preference[:_LONGEST_VALUE])
            return


def _instruction(sentence: str, is_question: bool) -> str:
    """The words of a standing instruction; "" where the sentence is none."""
    if is_question and not re.match(r"(?:can|could|would|will) you\b", sentence, re.IGNORECASE):
        return ""
    if (match := _SCOPE_FIRST.match(sentence)) and _COMMAND.match(match["rest"]):
        return match["value"]
    if (match := _WHEN_YOU_SAY.match(sentence)) and _is_about_answers(match["value"]):
        return match["value"]
    for pattern in (_IN_UNITS, _NONE_IN, _FOR_ME):
        if match := pattern.match(sentence):
            return match["value"]
    if match := _SCOPED.match(sentence):
        return match["value"] if _is_command(match["value"]) else ""
    if (match := _WITHOUT.match(sentence)) or (match := _YOUR_ANSWERS.match(sentence)):
        return match["value"]
    if (match := _ANSWERS_ARE.match(sentence)) or (match := _I_LIKE_ANSWERS.match(sentence)):
        return match["value"]
    for pattern in (_WITH_ALWAYS, _ALWAYS_LAST):
        if (match := pattern.match(sentence)) and _is_about_answers(match["rest"]):
            return match["value"]
    return ""


def _is_command(words: str) -> bool:
    """Whether words say what to do: whatever it is after an "always", else about answers."""
    first = _FIRST_WORD.match(words)
    if first is None or _SUBJECTS.fullmatch(first["word"]):
        return False
    return bool(first["always"] or re.fullmatch(_VERBS, first["word"], re.IGNORECASE))


def _is_about_answers(words: str) -> bool:
    """Whether a command can only be about answers: its verb, and what it names."""
    if _OF_OTHERS.search(words) or not _VERB_FIRST.match(words):
        return False
    return bool(_OF_ANSWERS.search(words))


def _as_statement(value: str, speaker: str) -> Statement:
    bare = re.sub(rf"^(?:{_ALWAYS}[\s,:]+|{_POLITE}[\s,]+)+", "", value, flags=re.IGNORECASE)
    bare = re.sub(rf"[\s,]+{_ALWAYS}$", "", bare, flags=re.IGNORECASE)
    if match := _IN_LANGUAGE.match(
        re.sub(r",\s+(?:i|because|since|as|so)\b.*", "", bare, flags=re.IGNORECASE)
    ):
        return Statement(speaker, LANGUAGE, match["language"].title())
    if match := _OF_LENGTH.match(bare):
        return Statement(speaker, LENGTH, match["length"].lower())
    # "Stop using emojis" ends "use an emoji or two".
    style = re.search(rf"\b{_STYLE}(?![\w-])", bare, re.IGNORECASE)
    ends = (End(INSTRUCTION, style[0]),) if style and " when" not in bare else ()
    return Statement(speaker, INSTRUCTION, _in_small(value), ends=ends)


def _in_small(value: str) -> str:
    """An instruction from its first word on, which begins no sentence."""
    is_name = value[1:2].isupper() and not value.startswith("I ")  # SQLite
    return (value if is_name else value[:1].lower() + value[1:])[:_LONGEST_VALUE]
