"""Forget turns for good: choose them, preview what goes with them, agree, get receipts.

Every door (commands, chat, tools, JSON API, page) calls these functions and renders the result.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from memory.errors import InputError
from memory.records import Change, Edit, Fact, Forgotten, Turn
from memory.store.changes.history import edits_of
from memory.store.configuration.setting_values import CHARACTER, EXPORT
from memory.store.configuration.settings import is_first_person, settings_of
from memory.store.facts.entity_edits import entities_called, facts_about, known_entities
from memory.store.facts.fact_reads import turns_with_value_about
from memory.store.facts.standing_facts import characters_of
from memory.store.forgetting.named_turns import may_have_words, near_turns, turns_with_words
from memory.store.forgetting.quoting import files_quoting, turns_quoting
from memory.store.protocol import Store
from memory.store.turns.traces import replies_of
from memory.store.turns.turn_validation import session_label
from memory.text.dates import is_iso_date
from memory.text.words import telling_words


class NoMatchError(InputError):
    """No turn meets the conditions."""

    def __init__(self) -> None:
        super().__init__("no turn matches; nothing was removed")


@dataclass(frozen=True)
class Mentions:
    """How often what stays names the speakers of the turns to forget.

    `turns` are by others, `facts` have another subject and name them in their value, `story` are
    lines of the story. An answer that a model stored counts as a fact.
    """

    turns: int = 0
    facts: int = 0
    story: int = 0


@dataclass(frozen=True)
class Preview:
    """What forgetting some turns removes, restores and leaves.

    `replies` are turns that are removed too, because they quote these; `repeats` say the same and
    stay. `facts` come from the turns, or were made from facts that do; they are removed with them.
    `removed` counts the removed facts that exist only in the journal. `restored` are facts of other
    turns that had been merged with removed facts. `reopened` are facts of other turns that ended
    because of these turns; they become current again. `staying` are the facts of other turns about
    the speakers of these, and `mentions` counts where else these are named. `backups` are searched
    as well; `copies` are separate memories that also hold the turns and are not searched. `near`
    are turns that stay, because they hold the words that were given only within longer ones.
    `shaped` are the ids of replies that stay, and whose blocks held the turns or facts.
    """

    turns: tuple[Turn, ...]
    facts: tuple[Fact, ...]
    removed: int
    restored: tuple[Fact, ...]
    reopened: tuple[Fact, ...]
    staying: tuple[Fact, ...]
    backups: tuple[str, ...]
    copies: tuple[str, ...]
    mentions: Mentions = Mentions()
    replies: tuple[Turn, ...] = ()
    repeats: tuple[Turn, ...] = ()
    exports: tuple[str, ...] = ()
    near: tuple[Turn, ...] = ()
    shaped: tuple[int, ...] = ()

    @property
    def speakers(self) -> set[str]:
        """Who said the turns, by name: "user" names no one."""
        return _named_speakers(self.turns)

    @property
    def going(self) -> tuple[Turn, ...]:
        """All turns that are removed."""
        return (*self.turns, *self.replies)

    @property
    def confirmation(self) -> str:
        """The word that confirms exactly these turns and facts, and no other preview."""
        content = repr((self.going, self.facts)).encode("utf-8", "surrogatepass")
        return sha256(content).hexdigest()[:8]


def matching_turns(
    store: Store,
    *,
    speaker: str = "",
    session: str | None = None,
    ids: Collection[int] = (),
    matching: str = "",
    about: str = "",
    before: str = "",
    keeps_facts: bool = False,
) -> list[Turn]:
    """The turns that meet all given conditions.

    Arguments:
        matching: words that the turn has, whole and in any spelling (`turns_with_words`).
        about: a name: only turns about this person or thing (see `turns_about`).
        before: only turns said before this day (see `said_before`).
        keeps_facts: with `before`: only turns without current facts.

    Raises InputError for an id without a turn, as `turns_about` does, and NoMatchError.
    """
    if about:
        about_them = turns_about(store, about)
        ids = {*about_them} & {*ids} if ids else about_them
        if not ids:
            raise NoMatchError
    if ids:
        candidates = store.turns_by_id(sorted({*ids}))
    else:
        candidates = may_have_words(store, matching) if matching else store.turns()
    turns = [
        turn
        for turn in candidates
        if (not speaker or turn.speaker == speaker)
        and (session is None or turn.session in (session, session_label(session)))
    ]
    turns = turns_with_words(turns, matching) if matching else turns
    if before:
        turns = said_before(store, turns, before, keeps_facts)
    if not turns:
        raise NoMatchError
    return turns


def said_before(
    store: Store, turns: Iterable[Turn], day: str, keeps_facts: bool = False
) -> list[Turn]:
    """Those of these turns that were certainly said before a day (2024-05-31).

    A turn of "2024-05" was if that month is over by then. Turns without a date were not, nor were
    parts of documents, whose date is their file's. With `keeps_facts`, turns with current facts
    stay, because a fact always names its turn.
    """
    kept = {fact.turn_id for fact in store.facts()} if keeps_facts else set()
    return [
        turn
        for turn in turns
        if is_iso_date(turn.said_at[:10])
        and turn.kind != "document"
        and turn.said_at[:10] < day[: len(turn.said_at)]
        and turn.id not in kept
    ]


def turns_about(store: Store, name: str) -> list[int]:
    """The turns about a person or thing: of facts about them or with their name, and of aliases.

    Where facts are about no one of this name ("Rex", someone's dog), also the turns that say it.

    Arguments:
        name: any name of an entity, see `known_entities`; or a name that facts or turns have.

    Raises InputError for an unknown name, and for a name that several people have.
    """
    entities = entities_called(store, name)
    if len(entities) > 1:
        raise InputError(f"{name!r} may be {' or '.join(map(repr, entities))}: name one of them")
    if not entities:
        if naming := _turns_naming(store, name):
            return naming
        raise InputError(f"no fact and no turn names {name!r}; nothing was removed")
    [entity] = entities
    turn_ids = {fact.turn_id for fact in facts_about(store, entity)}
    turn_ids |= {
        alias.turn_id
        for listed in known_entities(store)
        if listed.name == entity
        for alias in listed.names
    }
    turn_ids |= turns_with_value_about(store, entity)
    return sorted(turn_ids - {0})  # 0: a person's word


def _turns_naming(store: Store, name: str) -> list[int]:
    """The turns that say a name, or have a fact that does; none for a name like "the"."""
    if not telling_words(name):
        return []
    named = _any_of([name])
    # "Let me be frank" is not about Frank.
    is_small = name[:1].islower()
    turn_ids = {
        turn.id
        for turn in store.turns()
        if any(is_small or not match[0][:1].islower() for match in named.finditer(turn.text))
    }
    return sorted(turn_ids | {f.turn_id for f in store.facts() if named.search(f.value)})


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """A pattern for these names as whole words."""
    any_name = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{any_name})(?!\w)", re.IGNORECASE)


def preview(
    store: Store,
    turns: Collection[Turn],
    *,
    replies: bool = True,
    repeats: bool = False,
    matching: str = "",
) -> Preview:
    """What forgetting these turns would do. Changes nothing.

    Arguments:
        replies: also forget replies of assistants that quote them.
        repeats: also forget turns of people who say the same again.
        matching: the words that chose the turns, to name those with longer ones (`near`).
    """
    from memory.store.forgetting.derived_facts import derived_from, facts_of_other_turns
    from memory.store.forgetting.forget import copies_with, marked

    chosen = {turn.id for turn in turns}
    all_turns = store.turns()
    characters = characters_of(settings_of(store, CHARACTER))
    quoting = turns_quoting(all_turns, chosen, characters, with_repeats=repeats)
    repeating = {*(quoting.repeats if repeats else ())}
    quoted = {*(quoting.replies if replies else ())}
    staying = {*quoting.left(replies, repeats)}
    turns = [turn for turn in all_turns if turn.id in chosen | repeating]
    going_turns = [turn for turn in all_turns if turn.id in chosen | repeating | quoted]
    ids = {turn.id for turn in going_turns}
    speakers = {turn.speaker for turn in turns}
    texts = [turn.text for turn in turns]
    exports = dict.fromkeys(str(setting.value) for setting in settings_of(store, EXPORT))
    facts, edits, changes = store.facts(), edits_of(store), store.changes()
    derived = derived_from(ids, facts=facts, edits=edits, changes=changes)
    misplaced = facts_of_other_turns(going_turns, facts, edits, changes, store.turns_by_id)
    going = {fact.id for fact in facts if fact.turn_id in ids} | {*derived.ids} | misplaced
    recorded = [setting.value for setting in settings_of(store, "copied memory")]
    images = {edit.fact_id: edit.before for edit in edits if edit.before}
    return Preview(
        turns=tuple(turns),
        facts=tuple(fact for fact in facts if fact.id in going),
        removed=len(_of_turns(edits, ids).union(derived.ids) - {fact.id for fact in facts}),
        restored=tuple(fact for fact_id in derived.restored if (fact := images.get(fact_id))),
        reopened=_reopened_facts(store, facts, edits, changes=changes, turn_ids=ids),
        staying=tuple(fact for fact in facts if fact.subject in speakers and fact.id not in going),
        backups=tuple(
            dict.fromkeys(str(setting.value) for setting in settings_of(store, "backup"))
        ),
        copies=tuple(copies_with(store.location, recorded, [marked(going_turns, salt="")])),
        mentions=_mentions(store, facts, _named_speakers(turns), ids=ids, going=going),
        replies=tuple(turn for turn in going_turns if turn.id in quoted),
        repeats=tuple(turn for turn in all_turns if turn.id in staying),
        exports=files_quoting(exports, texts),
        near=tuple(turn for turn in near_turns(all_turns, matching) if turn.id not in ids),
        shaped=tuple(reply for reply in replies_of(store, ids, going) if reply not in ids),
    )


def _named_speakers(turns: Iterable[Turn]) -> set[str]:
    return {turn.speaker for turn in turns if not is_first_person(turn.speaker)}


def _mentions(
    store: Store,
    facts: Sequence[Fact],
    speakers: Collection[str],
    *,
    ids: Collection[int],
    going: Collection[int],
) -> Mentions:
    """Where what stays names these speakers, by their name or another name of theirs."""
    names = {*speakers}
    for entity in known_entities(store):
        if entity.name in speakers:
            names |= {alias.name for alias in entity.names}
    if not names:
        return Mentions()
    named = _any_of(names)
    return Mentions(
        turns=sum(turn.id not in ids and bool(named.search(turn.text)) for turn in store.turns()),
        facts=sum(
            fact.id not in going and fact.subject not in names and bool(named.search(fact.value))
            for fact in facts
        ),
        story=sum(bool(named.search(summary.text)) for summary in store.summaries()),
    )


def forget(
    store: Store,
    turns: Collection[Turn],
    agrees: Callable[[Preview], bool],
    *,
    replies: bool = True,
    repeats: bool = False,
    matching: str = "",
) -> tuple[Preview, list[Forgotten]]:
    """Forget turns for good once a person has agreed to the `preview`.

    Returns the preview, and the receipts as `forget_without_preview` returns them: none when
    `agrees` returned false.
    """
    gone = preview(store, turns, replies=replies, repeats=repeats, matching=matching)
    if not agrees(gone):
        return gone, []
    # Exactly what was agreed to, even if someone has spoken meanwhile.
    return gone, forget_without_preview(store, [turn.id for turn in gone.going], replies=False)


def forget_without_preview(
    store: Store, turn_ids: Sequence[int] = (), *, replies: bool = True, repeats: bool = False
) -> list[Forgotten]:
    """Forget turns for good, and finish an interrupted `forget`; without turns, only the latter.

    `replies` and `repeats` are as in `preview`. Returns the receipts of what was finished, and
    last that of these turns. Save all of them: their salts are stored nowhere else from then on.
    Raises StoreError when a file cannot be overwritten; `receipts_due` then has the receipts.
    """
    due = receipts_due(store)
    forgotten = store.forget(turn_ids, replies=replies, repeats=repeats)
    return [*(receipt for receipt in due if receipt.sha256 != forgotten.sha256), forgotten]


def forget_matching(
    store: Store, conditions: Mapping[str, Any], *, replies: bool = True, repeats: bool = False
) -> list[Forgotten]:
    """Forget the turns that meet the conditions of `matching_turns` for good, without asking.

    `replies` and `repeats` are as in `preview`. Returns receipts as `forget_without_preview`
    does. Raises InputError without any condition, and where no turn meets them.
    """
    given = {name: value for name, value in conditions.items() if value not in ("", (), None)}
    if not given:
        raise InputError("name what to forget: ids of turns, speaker=, session=, matching=, ...")
    turn_ids = [turn.id for turn in matching_turns(store, **given)]
    *earlier, receipt = forget_without_preview(store, turn_ids, replies=replies, repeats=repeats)
    if matching := str(given.get("matching", "")):
        near = [turn.id for turn in near_turns(may_have_words(store, matching), matching)]
        receipt = replace(receipt, quoted_in=tuple(sorted({*receipt.quoted_in, *near})))
    return [*earlier, receipt]


def receipts_due(store: Store) -> list[Forgotten]:
    """The receipts of removed turns that are not overwritten in every file yet."""
    from memory.store.forgetting.forget import receipt_due

    return [receipt_due(setting.value) for setting in settings_of(store, "forgetting")]


def _reopened_facts(
    store: Store,
    facts: Sequence[Fact],
    edits: Sequence[Edit],
    *,
    changes: Sequence[Change],
    turn_ids: set[int],
) -> tuple[Fact, ...]:
    """The facts of other turns that ended because of these."""
    from memory.store.forgetting.derived_ends import ends_derived_from

    ends = ends_derived_from(turn_ids, edits=edits, changes=changes, turns=store.turns)
    learnt = {(fact.id, fact.ended_on) for fact in ends.values()}
    return tuple(fact for fact in facts if (fact.id, fact.ended_on) in learnt)


def _of_turns(edits: Iterable[Edit], turn_ids: set[int]) -> set[int]:
    """The facts that ever came from these turns, according to the journal."""
    return {
        edit.fact_id
        for edit in edits
        for fact in (edit.before, edit.after)
        if fact and fact.turn_id in turn_ids
    }
