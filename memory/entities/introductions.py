"""Names that a turn gives to somebody, by rule: "my sister Elena", "my mother is called Ilse".

For the packaged model, which states no aliases. The rules take what is said in plain words and
leave everything else: a list ("my sister, Elena and Tom") may name other people. Whoever is
introduced gets an entity of their own, `Elena (Anna's sister)`: somebody else in the memory may be
an Elena too.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from memory.entities.names import Relation, as_spoken, key, relation_words
from memory.records import Turn


@dataclass(frozen=True)
class NewAlias:
    """A name that means an entity, as a turn says; 0: as a person says for every turn."""

    name: str
    entity: str
    turn_id: int


# Latin, Greek and Cyrillic: the scripts with capitals in which names are introduced here.
_CAPITAL = f"[{''.join(c for c in map(chr, range(0x41, 0x530)) if c.isupper())}]"
_NAME_WORD = rf"{_CAPITAL}[\w-]+(?:['\u2019]{_CAPITAL}\w+)?"
_NAME = rf"(?P<name>{_NAME_WORD}(?: {_NAME_WORD}){{0,2}})"
_UNSPACED_NAME = r"(?P<name>[\w・]{1,12}?)"
_END = r"(?=['\u2019]s\b|[^\w-]|$)"
# "gave my sister Chanel": two objects of one verb, and no name.
_GIVING = re.compile(
    r"\b(?:g[ia]ve|given|giving|giv(?:es|ing)|bu(?:y|ys|ying)|bought|tea(?:ch|ches|ching)|taught"
    r"|show(?:s|ed|ing|n)?|sen[dt]|sen(?:ds|ding)|br(?:ing|ings|inging|ought)|ma(?:ke|kes|king|de)"
    r"|tell(?:s|ing)?|told|ask(?:s|ed|ing)?|offer(?:s|ed|ing)?|len[dt]|lend(?:s|ing)"
    r"|g[eo]t|get(?:s|ting)|order(?:s|ed|ing)?|cook(?:s|ed|ing)?|read(?:s|ing)?|call(?:s|ed|ing)?"
    r"|wish(?:es|ed|ing)?|owe[sd]?|pa(?:y|id|ys)|play(?:s|ed|ing)?|took|takes?|taking|feed|fed)\s*$",
    re.IGNORECASE,
)
_LONGEST_TEXT = 20_000  # characters: people introduce others at the beginning of a long text
_CONTEXT = 40  # characters before a name in which a verb or a comma tells what it is
# What a list goes on with: "I met Elena, my sister, and Tom" may tell of three.
_LIST_GOES_ON = re.compile(
    rf"\s*(?:(?i:and|or|&|my|our|the|an?|his|her|their|und|oder|y|et)\b|{_CAPITAL})"
)


def introductions(turn: Turn, speakers: Collection[str] = ()) -> list[NewAlias]:
    """The aliases that a turn's text states by these rules, in order, each once.

    `speakers` are those of the memory: of somebody introduced by the name of one nobody can tell
    whether it is that one, so that the name is unclear in this turn.
    """
    if (
        turn.kind != "message"
        or not turn.speaker.strip()
        or not _may_introduce(turn.text[:_LONGEST_TEXT])
    ):
        return []
    aliases: dict[NewAlias, None] = {}
    text = turn.text[:_LONGEST_TEXT]
    for relation, name in _introduced(text):
        owned = as_spoken(f"my {relation}", turn.speaker)
        if not isinstance(owned, Relation) or key(name) == key(turn.speaker):
            continue
        entity = f"{name} ({owned})"
        aliases[NewAlias(f"my {relation}", entity, turn.id)] = None
        aliases[NewAlias(name, entity, turn.id)] = None
        if key(name) in map(key, speakers):
            aliases[NewAlias(name, name, turn.id)] = None
    for name in _own_names(text):
        if key(name) != key(turn.speaker) and key(name) not in map(key, speakers):
            aliases[NewAlias(name, turn.speaker.strip(), turn.id)] = None
    return list(aliases)


def _may_introduce(text: str) -> bool:
    """Whether it is worth while to look for introductions: the patterns take half a millisecond."""
    words = relation_words()
    folded = text.casefold()
    return (
        any(word in words.relations for word in re.findall(r"[\w-]+", folded))
        or any(prefix in text for prefix in words.prefixes)
        or bool(_OWN_NAME_WORDS.search(folded))
    )


def _introduced(text: str) -> Iterator[tuple[str, str]]:
    """The people whom a text introduces: the relation to the speaker, and the name."""
    for pattern in _patterns():
        for match in pattern.finditer(text):
            groups = match.groupdict()
            if "apposed" in groups and _GIVING.search(_before(text, match)):
                continue
            if "inserted" in groups and not _stands_alone(text, match):
                continue
            name = _name_in(match["name"])
            if name:
                yield relation_words().relations[match["relation"].casefold()], name


def _before(text: str, match: re.Match[str]) -> str:
    return text[max(match.start() - _CONTEXT, 0) : match.start()]


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Whether "Elena, my sister," is no part of a list."""
    before = _before(text, match).rstrip()
    if before.endswith((",", "&")) or re.search(r"\b(?:and|or|und|oder|y|et)$", before, re.I):
        return False
    closing = text[match.end() : match.end() + 1]
    return closing != "," or not _LIST_GOES_ON.match(text, match.end() + 1)


def _name_in(text: str) -> str:
    """The capitalised words at the beginning of a text that may be a name, "" for none."""
    name: list[str] = []
    for word in text.split():
        if (
            word.casefold() in relation_words().no_names
            or word.casefold() in relation_words().relations
        ):
            break
        name.append(word)
    return " ".join(name)


def _own_names(text: str) -> Iterator[str]:
    """The names by which a speaker asks to be called."""
    for match in _OWN_NAME.finditer(text):
        name = _name_in(match["name"])
        if name:
            yield name


_OWN_NAME = re.compile(
    r"(?:\b(?i:(?:please|just|you can|you may|friends|everyone|everybody|people|they) calls? me"
    r"|my (?:first |full |real )?name is|my name['\u2019]s|i(?:['\u2019]m| am) called|i go by)"
    r"|(?:^|[.!?;:,]\s+)(?i:call me)"
    r"|\b(?i:ich heiße|mein name ist|nenn(?:t)? mich|nennen sie mich|me llamo|mi nombre es|llámame"
    r"|je m['\u2019]appelle|appelle-moi|mi chiamo|chiamami|me chamo|ik heet|меня зовут|зови меня))"
    rf" {_NAME}{_END}"
)


_OWN_NAME_WORDS = re.compile(
    r"calls? me|called|name|go by|heiße|heisse|nenn|llam|nombre|appelle|chiam|chamo|heet|зовут|зови"
)


def _alternatives(words: Collection[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _patterns() -> tuple[re.Pattern[str], ...]:
    global _compiled
    if not _compiled:
        words = relation_words()
        relation = f"(?P<relation>{_alternatives(words.relations)})"
        adjectives = f"(?:(?:{_alternatives(words.adjectives)}) ){{0,2}}"
        mine = rf"\b(?i:(?:{_alternatives(words.possessives)}) {adjectives}{relation})"
        english = rf"\b(?i:(?:my|our) {adjectives}{relation})"
        prefixed = f"(?:{_alternatives(words.prefixes)}){relation}"
        called = (
            r"(?i:is called|is named|named|called|heißt|namens"
            r"|se llama|s['\u2019]appelle|si chiama|se chama|heet|зовут)"
        )
        _compiled = tuple(
            re.compile(pattern)
            for pattern in (
                rf"(?P<apposed>){english} {_NAME}{_END}",
                rf"{mine},? {called} {_NAME}{_END}",
                rf"\b(?i:(?:my|our) {adjectives}{relation}['\u2019]s name is) {_NAME}{_END}",
                rf"(?P<inserted>)(?<![\w'\u2019-]){_NAME}, {mine}(?=[,.!?;)]|$)",
                rf"(?<![\w'\u2019-]){_NAME} \({mine}\)",
                rf"(?:^|[.!?]\s+){_NAME} (?i:is|was|ist|es|est|è) {mine}(?=[.,!?;]|$)",
                rf"{prefixed}(?:の名前は|名前は|叫|的名字叫|は){_UNSPACED_NAME}"
                r"(?=といいます|と言います|です|という|[。、\uff0c\uff01!?.\s]|$)",
                rf"{prefixed}の{_UNSPACED_NAME}(?=[はがをにとも])",
            )
        )
    return _compiled


_compiled: tuple[re.Pattern[str], ...] = ()
