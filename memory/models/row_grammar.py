"""Rows that quote a turn: each is a run of words of one sentence, cut in three.

A little model chooses where a row begins, is cut and ends, and copies the words, with a name for
"I", "we", "he" and "she". So a row says what its turn says; the model only decides which clauses
are worth a row. Where a row may begin and be cut is grammar: no subject has a verb in it, and every
attribute has one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from memory.text.dates import COUNT
from memory.text.sentences import MARKS, Word, stated_sentences, written
from memory.text.word_classes import (
    closed_classes,
    is_adjective,
    is_bare_verb,
    is_infinitive,
    is_known,
    is_noun,
    is_participle,
    is_past,
    is_plural,
    is_verb,
    may_be_adverb,
    may_be_noun,
    may_be_verb,
)
from memory.text.words import STOP_WORDS
from memory.vocabulary.entities import is_name, relation_words

NONE = "none"
DOES = "does"  # the attribute of a predicate without an object
_ADDED = re.compile(r"\[[^\]]*\]")
_MOST_WORDS = 90  # of a turn: a longer one is a document, or pasted
_SUBJECT_WORDS, _ATTRIBUTE_WORDS = 5, 4
# Forms of the speaker's pronouns that do not begin a sentence, in the language of the examples.
_OBJECTS = frozenset({"me", "us", "myself"})
# Verbs in what follows an apostrophe: "I'm", "Ella's", "they'll".
_VERB_ENDINGS = frozenset({"m", "s", "re", "ve", "ll", "d"})
_IS = {"m": "am", "s": "is", "re": "are"}


@dataclass(frozen=True)
class Clause:
    """Where a row may begin in a sentence.

    `subject` is who it is about, as the row writes it: its words, or the speaker's name. It
    is at word `at`, the attribute begins at `start`. `ending` is the verb in a
    subject's last word ("m" of "I'm"), `by_speaker` says whether the subject is the speaker.
    """

    subject: str
    at: int
    start: int
    ending: str = ""
    by_speaker: bool = False


def spoken_text(text: str) -> str:
    """A text on one line, without anything in square brackets: captions of pictures and such."""
    # Behind the last "]" none closes: looking for one from each "[" would take the square of them.
    closed, end, rest = text.rpartition("]")
    return " ".join((_ADDED.sub(" ", closed + end) + rest).split())


def clauses_of(text: str, speaker: str) -> list[tuple[list[Word], list[Clause]]]:
    """The sentences of a turn that are no questions, each with its clauses in order."""
    return [(words, _clauses(words, speaker)) for words in stated_sentences(text)]


def _clauses(words: Sequence[Word], speaker: str) -> list[Clause]:
    """Where rows of a sentence may begin."""
    clauses: list[Clause] = []
    if is_past(words[0].head) and len(words) > 2:  # "Moved to Leith in May."
        clauses.append(Clause(speaker, 0, 0, by_speaker=True))
    for at, word in enumerate(words[:-1]):
        if word.head in closed_classes().joining and clauses and _begins_predicate(words, at + 1):
            before = clauses[-1]
            clauses.append(Clause(before.subject, at + 1, at + 1, "", before.by_speaker))
        else:
            clauses += _of_subjects(words, at, speaker)
    return _outermost([clause for clause in clauses if any(True for _ in cuts(words, clause))])


def _of_subjects(words: Sequence[Word], at: int, speaker: str) -> list[Clause]:
    """The clauses whose subject begins at a word, by how far the subject goes."""
    clauses = []
    for subject in subjects(words, at):
        start, last = at + len(subject), subject[-1]
        whose = is_speaker(subject)
        if last.ending == "s" and not whose and _is_owner(words, start):
            continue
        clause = Clause(speaker if whose else written(subject), at, start, last.ending, whose)
        if not whose and not last.ending and _disagrees(subject, words[start]):
            continue
        if any(True for _ in cuts(words, clause)):
            clauses.append(clause)
    # "the spare key is": not "the spare | key".
    sure = [clause for clause in clauses if clause.ending or is_verb(words[clause.start].head)]
    is_indefinite = words[at].head in closed_classes().determiners - {"the"}
    return sure or ([] if is_indefinite else clauses)  # no "a birthday | party as | well"


def _disagrees(subject: Sequence[Word], verb: Word) -> bool:
    """Whether one thing or person cannot do what a word says: "the porch rail", "First prize"."""
    is_several = is_plural(subject[-1].head) or any(word.head == "and" for word in subject)
    return not (is_several or _is_number(subject[0])) and is_bare_verb(verb.head)


def _is_owner(words: Sequence[Word], at: int) -> bool:
    """Whether what follows a noun with "'s" is owned: "Tess's old bike", not "Tess's a nurse"."""
    classes = closed_classes()
    word = words[at]
    if word.head in classes.determiners | classes.possessives | classes.prepositions:
        return False
    if word.head in classes.auxiliaries or word.head == "not" or word.head[:1].isdigit():
        return False
    ends = word.is_last or at + 1 == len(words) or words[at + 1].head in classes.prepositions
    if word.head in COUNT:  # "Pepper's eleven in March", "Ana's two cats"
        return not ends
    if word.is_name or is_noun(word.head):
        return True
    if is_participle(word.head) or is_past(word.head):
        return False
    return not (ends and is_adjective(word.head))


def _outermost(clauses: Sequence[Clause]) -> list[Clause]:
    """Clauses without those whose subject is the end of another's: Ella in "my sister Ella"."""
    first: dict[int, int] = {}
    for clause in clauses:
        first[clause.start] = min(clause.at, first.get(clause.start, clause.at))
    return sorted(
        (clause for clause in dict.fromkeys(clauses) if clause.at == first[clause.start]),
        key=lambda clause: clause.at,
    )


def _begins_predicate(words: Sequence[Word], at: int) -> bool:
    """Whether a verb stands here, and no noun: "and bought a boat", "and the pool"."""
    if at >= len(words):
        return False
    word = words[at]
    if word.is_name or word.head in closed_classes().auxiliaries:
        return not word.is_name
    if is_verb(word.head):
        return True
    if word.head.endswith("ly") or not may_be_verb(word.head) or at + 1 >= len(words):
        return False
    # A word that may be both is a verb before what begins an object or a phrase.
    return not word.is_last and (
        words[at + 1].head in _begins_noun() | closed_classes().prepositions
    )


def cuts(words: Sequence[Word], clause: Clause) -> Iterator[tuple[int, int]]:
    """Where the value of a row may begin, and the last word that it may have.

    An attribute has a verb, or follows a verb that its subject has taken in ("I'm"), and takes in
    the prepositions that follow. A predicate that has no object is a value: "My dog | does | died".
    """
    with_object = [*_cuts_before_objects(words, clause)]
    yield from with_object
    if not with_object and _is_predicate(words, clause):
        yield clause.start, _last_of_value(words, clause.start)


def _cuts_before_objects(words: Sequence[Word], clause: Clause) -> Iterator[tuple[int, int]]:
    classes = closed_classes()
    has_verb = clause.ending in _VERB_ENDINGS
    if clause.ending in _IS and _is_complement(words, clause.start):
        yield clause.start, _last_of_value(words, clause.start)
    for index in range(clause.start, min(clause.start + _ATTRIBUTE_WORDS, len(words) - 1)):
        word = words[index]
        if not _in_attribute(words, index, clause):
            return
        has_verb = has_verb or may_be_verb(word.head)
        is_preposition = word.head in classes.prepositions
        if has_verb and (is_preposition or may_be_verb(word.head)):
            more = index + 1 < min(clause.start + _ATTRIBUTE_WORDS, len(words) - 1)
            if not (more and _goes_on(words, index)) and _is_value(words, index + 1):
                yield index + 1, _last_of_value(words, index + 1)
        if word.is_last:
            return


def _is_predicate(words: Sequence[Word], clause: Clause) -> bool:
    """Whether what follows a subject begins with a verb: "died", "has already paid", "is in"."""
    if clause.start == clause.at:  # "Got the job": without a subject, only before an object
        return False
    if clause.ending in _VERB_ENDINGS:
        return True
    first = clause.start
    while first + 1 < len(words) and may_be_adverb(words[first].head):
        first += 1
    word = words[first]
    if word.head in closed_classes().auxiliaries:
        return not word.is_last
    is_whole_sentence = clause.at == 0 and (word.is_last or first + 1 == len(words))
    has_article = clause.start - clause.at > 1
    if may_be_noun(word.head) and not (is_whole_sentence and has_article):
        return False  # "The table wobbles.", but neither "the table lamps" nor "Second place!"
    return may_be_verb(word.head) and is_known(word.head)


def _in_attribute(words: Sequence[Word], index: int, clause: Clause) -> bool:
    """Whether a word may belong to an attribute: no conjunction, pronoun, article, name, noun."""
    classes = closed_classes()
    word = words[index]
    if word.head in classes.prepositions or word.head in classes.auxiliaries:
        # "Rui up at three": without a verb before it, a preposition begins none.
        return index > clause.start or word.head in classes.auxiliaries or bool(clause.ending)
    is_closed = word.head in (classes.conjunctions | classes.pronouns | _begins_noun())
    is_number = word.head in COUNT or not word.head[:1].isalpha()
    is_name = word.is_name and index > 0
    if is_closed or is_number or is_name or is_noun(word.head):
        return False
    # "listens to | music", "wants to play"
    before = words[index - 1].head if index > clause.start else ""
    return before not in classes.prepositions or (before == "to" and is_infinitive(word.head))


def _goes_on(words: Sequence[Word], index: int) -> bool:
    """Whether an attribute that ends here would be cut short: "lives | in", "has | just moved"."""
    classes = closed_classes()
    word, after = words[index], words[index + 1]
    if word.is_last or after.is_last or after.is_name or index + 2 >= len(words):
        return False
    if after.head in classes.prepositions or after.head == "not":
        return True
    if word.head == "to":
        return is_infinitive(after.head) and is_verb(after.head)
    if not (word.head in classes.auxiliaries or word.head == "not" or may_be_adverb(word.head)):
        return False
    if may_be_adverb(after.head) and not words[index + 2].is_name:
        return may_be_verb(words[index + 2].head) and not may_be_noun(words[index + 2].head)
    return is_verb(after.head) or (is_participle(after.head) and not is_adjective(after.head))


def _is_complement(words: Sequence[Word], index: int) -> bool:
    """Whether a value begins right after "I'm": "a nurse", "vegan", not "still working"."""
    classes = closed_classes()
    if not _is_value(words, index) or words[index].head in classes.prepositions:
        return False
    while index + 1 < len(words) and (
        words[index].head == "not" or may_be_adverb(words[index].head)
    ):
        index += 1
    head = words[index].head
    if head in classes.prepositions | classes.auxiliaries:
        return False
    goes_on = index + 1 < len(words) and words[index + 1].head in classes.prepositions
    return not is_participle(head) and not (
        goes_on and not words[index].is_last and is_adjective(head)
    )


def _is_value(words: Sequence[Word], index: int) -> bool:
    """Whether a value may begin here."""
    if index >= len(words):
        return False
    classes = closed_classes()
    word, after = words[index], words[index + 1 : index + 2]
    if word.head == "that" and after:  # "that north ridge", not "that he knows"
        return not word.is_last and after[0].head not in classes.pronouns | classes.determiners
    return not is_speaker([word]) and word.head not in classes.conjunctions


def _last_of_value(words: Sequence[Word], index: int) -> int:
    while index + 1 < len(words) and not _ends_clause(words, index):
        index += 1
    return index


def _may_end(words: Sequence[Word], index: int) -> bool:
    """Whether a value may end with a word: where a phrase does, not with "the" or "of"."""
    word = words[index]
    if word.is_last or index + 1 == len(words):
        return True
    classes = closed_classes()
    opens = classes.conjunctions | classes.prepositions | _begins_noun()
    after = words[index + 1].head
    return word.head not in opens and (
        after in opens or after in classes.pronouns or may_be_adverb(after)
    )


def _ends_clause(words: Sequence[Word], at: int) -> bool:
    """Whether after a word another clause begins: ", he ...", "and I ...", "and bought ..."."""
    classes = closed_classes()
    after = words[at + 1 : at + 5]
    if after and after[0].head in classes.joining | {"so"}:
        if len(after) > 1 and not after[1].is_name and is_verb(after[1].head):
            return True
        return _begins_clause(after[1:])
    return words[at].is_last and _begins_clause(after)


def _begins_clause(words: Sequence[Word]) -> bool:
    """Whether a sentence's words begin with a subject and a verb."""
    classes = closed_classes()
    if not words:
        return False
    clause_subjects = relation_words().speaker - _OBJECTS | classes.persons | {"it", "they", "you"}
    if words[0].head in clause_subjects:
        return True
    phrase = _begins_noun() | {"the"}
    run = 2 if words[0].head in phrase else 1 if words[0].is_name else 0
    return (
        bool(run)
        and len(words) > run
        and (is_verb(words[run].head) or words[run].head in classes.auxiliaries)
    )


def row_grammar(turn: str, *, required: bool = False) -> str:
    """GBNF for the rows of a turn (`Anna: text`), in the order of its words, or for "none".

    If rows are `required`, "none" is left out, unless the turn has no row.
    """
    rules: dict[str, str] = {}
    starts: list[str] = []
    seen = 0
    speaker, _, text = turn.partition(": ")
    for number, (words, clauses) in reversed([*enumerate(clauses_of(text, speaker))]):
        seen += len(words)
        starts = [*_rules(f"x{number}x", words, clauses, starts, rules), *starts]
    if not starts or seen > _MOST_WORDS:
        return f'root ::= "{NONE}"'
    rules["rows"] = _any_of(starts)
    root = "root ::= rows" if required else f'root ::= "{NONE}" | rows'
    return "\n".join([root, *(f"{name} ::= {rule}" for name, rule in rules.items())])


def may_be_quoted(turn: str) -> bool:
    """Whether a row of a turn (`Anna: text`) may be written at all."""
    speaker, _, text = turn.partition(": ")
    sentences = clauses_of(text, speaker)
    has_clause = any(clauses for _, clauses in sentences)
    return has_clause and sum(len(words) for words, _ in sentences) <= _MOST_WORDS


def _rules(
    name: str,
    words: Sequence[Word],
    clauses: Sequence[Clause],
    following: Sequence[str],
    rules: dict[str, str],
) -> list[str]:
    """Add the rules of a sentence; returns the ones that may begin a row of it.

    `following` are the beginnings of rows in the sentences after it. Rules are named after what
    they write: a value (v) from a word on, the rows after it (r), a clause (c).
    """
    starts: list[tuple[int, str]] = []
    by_start = sorted(enumerate(clauses), key=lambda item: -item[1].at)
    for index in reversed(range(len(words))):
        word = words[index]
        value = []
        if _may_end(words, index):
            value.append(_quoted(word.bare))
            next_rows = [*(rule for at, rule in starts if at > index), *following]
            if next_rows:
                rules[f"r{name}{index}"] = f'"\\n" ({_any_of(next_rows)})'
                value.append(f"{_quoted(word.bare)} r{name}{index}")
        if index + 1 < len(words) and not _ends_clause(words, index):
            value.append(f"{_quoted(f'{word.token} ')} v{name}{index + 1}")
        if not value:  # a clause ends after "the": what may not end there has to
            value.append(_quoted(word.bare))
        rules[f"v{name}{index}"] = _any_of(value)
        for number, clause in by_start:
            if clause.at != index:
                continue
            choices = [
                f"{_quoted(f'{attribute_at(words, clause, cut)} | ')} v{name}{cut}"
                for cut, _ in cuts(words, clause)
            ]
            rules[f"c{name}{number}"] = f"{_quoted(f'{clause.subject} | ')} ({_any_of(choices)})"
            starts.insert(0, (index, f"c{name}{number}"))
    return [rule for _, rule in starts]


def clause_rows(
    words: Sequence[Word], clause: Clause
) -> Iterator[tuple[tuple[str, str, str], int]]:
    """The rows of a clause that the grammar has: their three parts, and the word after them."""
    for cut, last in cuts(words, clause):
        attribute = attribute_at(words, clause, cut)
        for end in range(cut, last + 1):
            if end == last or _may_end(words, end):
                value = [word.token for word in words[cut:end]]
                yield (clause.subject, attribute, " ".join([*value, words[end].bare])), end + 1


def attribute_at(words: Sequence[Word], clause: Clause, cut: int) -> str:
    """The attribute of a row whose value begins at a word: "is on" for "Ella's on"."""
    written = [word.token for word in words[clause.start : cut]]
    if not written or words[clause.start].head in closed_classes().prepositions:
        written.insert(0, _IS.get(clause.ending, "" if written else DOES))
    written[-1] = written[-1].strip(MARKS)
    return " ".join(filter(None, written))


def place_of(
    row: Sequence[str], words: Sequence[Word], clauses: Sequence[Clause]
) -> tuple[Clause, int] | None:
    """Where a row is in a sentence: its clause, and the word after its value.

    None where the grammar of the sentence has no such row. Case and marks do not matter.
    """
    subject, attribute, value = map(_bare, row)
    for clause in clauses:
        as_written = _bare(" ".join(word.token for word in words[clause.at : clause.start]))
        names = [_bare(clause.subject), as_written, *([["i"]] if clause.by_speaker else [])]
        if subject not in names:
            continue
        for cut, last in cuts(words, clause):
            end = cut + len(value)
            written = [_bare(attribute_at(words, clause, cut))]
            written.append([word.bare.casefold() for word in words[clause.start : cut]])
            spoken = [word.bare.casefold() for word in words[cut:end]]
            if attribute in written and spoken == value and value and end - 1 <= last:
                return clause, end
    return None


def _bare(cell: str) -> list[str]:
    return [bare for word in cell.casefold().split() if (bare := word.strip(MARKS))]


def is_speaker(subject: Sequence[Word]) -> bool:
    """Whether a subject is "I" or "we", also "Dorte and I"."""
    return bool(subject) and subject[-1].head in relation_words().speaker - _OBJECTS


def is_object(value: str) -> bool:
    """Whether a value is the speaker as an object: "me"."""
    return value.casefold() in _OBJECTS


def subjects(words: Sequence[Word], at: int) -> Iterator[Sequence[Word]]:
    """The runs from a word on that may be a subject: "I", a name, "my sister", "the house"."""
    known = relation_words()
    first = words[at]
    if first.is_last:
        return
    if first.head in known.speaker:
        if is_speaker([first]):
            yield words[at : at + 1]
        return
    if (
        first.head in known.possessives
        or first.head in closed_classes().determiners - closed_classes().pronouns
        or _is_number(first)
        or (first.ending == "s" and first.is_name and _is_owner(words, at + 1))
    ):
        yield from _noun_phrases(words, at)
        return
    for run in _runs(words, at):
        begins_sentence = at == 0 and len(run) == 1
        is_lower_case = len(run) == 1 and _is_lower_case_name(words, at)
        if is_lower_case or (is_name(run) and not (begins_sentence and _is_no_noun(first))):
            yield run


def _runs(words: Sequence[Word], at: int) -> Iterator[Sequence[Word]]:
    """The runs from a word on that are no longer than a subject and go over no mark."""
    for end in range(at + 1, min(at + 1 + _SUBJECT_WORDS, len(words))):
        if words[end - 1].is_last:
            return
        yield words[at:end]


def _noun_phrases(words: Sequence[Word], at: int) -> Iterator[Sequence[Word]]:
    """The noun phrases that begin with a word: "the", "my", "Ella's"."""
    for run in _runs(words, at):
        if len(run) == 1:
            continue
        if not _in_noun_phrase(run):
            return
        if _ends_noun_phrase(run):
            yield run


def _is_number(word: Word) -> bool:
    return word.head in COUNT or word.head[:1].isdigit()


def _is_no_noun(word: Word) -> bool:
    """Whether a word with a capital just begins its sentence: "Quick update"."""
    return is_known(word.head) and not may_be_noun(word.head)


def _is_lower_case_name(words: Sequence[Word], at: int) -> bool:
    """Whether a word is a subject in a sentence without capitals: "nisha got the promotion".

    That is a word that no lexicon has, or, at its head, a noun: "landlord wrote".
    """
    word, after = words[at], words[at + 1]
    if any(any_word.is_name for any_word in words) or not word.head.isalpha():
        return False
    closed = closed_classes()
    if word.head in STOP_WORDS | closed.determiners | closed.prepositions | closed.pronouns:
        return False
    is_subject = not is_known(word.head) or (at == 0 and may_be_noun(word.head))
    has_verb = may_be_verb(after.head) and not may_be_noun(after.head)
    return is_subject and (has_verb or word.ending in _VERB_ENDINGS)


def _in_noun_phrase(run: Sequence[Word]) -> bool:
    """Whether the last word of a run may be part of a noun phrase."""
    classes = closed_classes()
    before, word = run[-2:]
    if word.head in classes.auxiliaries or word.head in classes.pronouns:
        return False
    if word.head in classes.conjunctions:
        return word.head == "and"
    if before.head in classes.prepositions:  # "the man from Lund", "the pot on the sill"
        return word.is_name or word.head in _begins_noun() or is_noun(word.head)
    return word.is_name or not is_verb(word.head)


def _ends_noun_phrase(run: Sequence[Word]) -> bool:
    classes = closed_classes()
    word = run[-1]
    if word.head in classes.conjunctions | classes.prepositions | _begins_noun():
        return False
    return word.is_name or may_be_noun(word.head)


def _begins_noun() -> frozenset[str]:
    """Words that begin a value: no attribute has them."""
    classes = closed_classes()
    return relation_words().possessives | classes.possessives | classes.determiners


def _any_of(rules: Iterable[str]) -> str:
    return " | ".join(rules)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
