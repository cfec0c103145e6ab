"""The chat: a loop of messages and commands (/why, /memory, /undo, /forget, /speaker, reset)."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from memory.cli.chat.session import Chat
from memory.errors import InputError, MemoryFault
from memory.evidence.messages import WITHOUT_MODEL
from memory.facts import add, find, newest_change
from memory.recall.messages import read_ids
from memory.records import Trace, Turn
from memory.store.configuration.declared_settings import name_of
from memory.store.facts.fact_reads import facts_by_id
from memory.store.forgetting.preview import (
    forget_without_preview,
    matching_turns,
    preview,
)
from memory.store.turns.expiry import NEVER, set_expiry
from memory.store.turns.traces import replies_line, trace_of_turn
from memory.store.turns.turn_reads import count_names, size_of, speakers_by_turns
from memory.system.terminal import count
from memory.text.turn_lines import turn_line
from memory.vocabulary.fact_lines import fact_line

_MOST_TURNS = 20  # of a list of turns
_MOST_CHARACTERS = 300  # of a turn in it
_HELP = """\
bye            ends the chat and saves (so do exit, quit and Ctrl-D)
reset          forgets all turns, after a question
/why           shows the turns and the SQL behind the last answer
/why 12        shows what the reply in turn 12 was made from, or which replies turn 12 shaped
/memory        counts turns and lists the newest facts
/undo          undoes the last change of facts
/fact S | A | V  adds a fact: /fact Anna | lives in | Bergen | 2024-05
/forget TEXT   forgets every turn with TEXT, and its facts, after a question
/expire 7d     forgets your last message and its reply then: a date, 12h, 7d or never
/speaker NAME  sets who speaks; the first name is yours
/rename NAME   changes your name
/private       stores nothing of what follows, and stores again
/help          shows this list"""
_MOST_FACTS = 40
_MOST_SPEAKERS = 10


def show_help(chat: Chat, _: str) -> None:
    """List the commands."""
    chat.screen.show(_HELP)


def why(chat: Chat, turn: str) -> None:
    """Show the SQL of the last answer, and its sources; or the trace of a turn."""
    if turn:
        _show_trace(chat, turn)
        return
    if chat.last is None:
        chat.screen.show("no answer yet")
        return
    for statement in chat.last.sql:
        chat.screen.show(statement, "cyan")
    turn_ids = chat.last.turns or chat.last.shown
    if not turn_ids:
        chat.screen.show("the answer has no source in the memory")
        return
    head = "sources" if chat.last.turns else "the answer names no source; the model saw"
    chat.screen.show(f"{head}:")
    _show_turns(chat, chat.store.turns_by_id(turn_ids))


def _show_trace(chat: Chat, turn: str) -> None:
    """Show what the block of a turn held, and which replies it shaped."""
    [turn_id] = read_ids(turn)
    trace = trace_of_turn(chat.store, turn_id)
    if trace.turns or trace.facts:
        chat.screen.show(f"the block of turn {turn_id} held:")
        _show_turns(chat, chat.store.turns_by_id(trace.turns, missing_ok=True))
        for shown_fact in facts_by_id(chat.store, trace.facts):
            chat.screen.show(fact_line(shown_fact))
    if trace.replies:
        chat.screen.show(replies_line(trace.replies))
    if trace == Trace():
        chat.screen.show(f"turn {turn_id} has no trace: it shaped no reply, and is none")


def memory(chat: Chat, _: str) -> None:
    """Show counts, and the newest facts by subject."""
    facts = size_of(chat.store).facts
    subjects, _speakers = count_names(chat.store)
    facts_known = f"{count(facts, 'fact')} about {count(subjects, 'subject')}"
    chat.screen.show(f"{_turn_counts(chat)}, {facts_known}")
    if not facts and not chat.memory.stores_facts:
        chat.screen.show(WITHOUT_MODEL, "dim")
    by_subject = defaultdict(list)
    for fact in reversed(find(chat.store)[-_MOST_FACTS:]):
        by_subject[fact.subject].append(f"  {fact.attribute}: {fact.value} [{fact.turn_id}]")
    for subject, lines in by_subject.items():
        chat.screen.show(str(subject), "bold")
        chat.screen.show("\n".join(lines))
    if facts > sum(map(len, by_subject.values())):
        chat.screen.show("these are the newest; `memory facts` lists all", "dim")


def fact(chat: Chat, text: str) -> None:
    """Add a fact."""
    parts = [part.strip() for part in text.split("|")]
    if not 3 <= len(parts) <= 4:
        raise InputError("give a subject, an attribute and a value: /fact Anna | lives in | Bergen")
    subject, attribute, value, *on = parts
    with chat.background.paused():
        add(
            chat.store,
            subject=subject,
            attribute=attribute,
            value=value,
            happened_on=on[0] if on else "",
            by=chat.speaker,
        )
    chat.screen.show(f"added: {subject} {attribute} {value}")


def undo(chat: Chat, _: str) -> None:
    """Undo the last change of facts that is neither undone nor an undo."""
    # Without the pause, the thread could store a window between the look-up and the undo.
    with chat.background.paused():
        change = newest_change(chat.store)
        note = chat.store.undo(change.id).note
    chat.screen.show(f"undid change {change.id} ({change.cause}):")
    chat.screen.show(change.statement, "cyan")
    if note:
        chat.screen.show(note)


def forget(chat: Chat, text: str) -> None:
    """Forget the turns that contain a text, after a question."""
    if not text:
        raise InputError("give a text: /forget TEXT")
    gone = preview(chat.store, matching_turns(chat.store, matching=text))
    _show_turns(chat, [*gone.going])
    if gone.repeats:
        chat.screen.show("these have the same words and stay:")
        _show_turns(chat, [*gone.repeats])
    if gone.shaped:
        chat.screen.show(f"{replies_line(gone.shaped)}; what they say stays", "dim")
    if _agreed(chat, f"Forget {count(len(gone.going), 'turn')} and their facts for good?"):
        _wipe(chat, [*gone.going])


def expire(chat: Chat, text: str) -> None:
    """Have the last message and its reply forgotten after a moment, or never."""
    if not text:
        raise InputError("say when: /expire 7d, /expire 2026-12-04 or /expire never")
    spoken = [turn for turn in chat.recent if turn.speaker == chat.speaker]
    if not spoken or not spoken[-1].id:
        raise InputError("there is no stored message before this; say it first")
    exchange = [turn.id for turn in chat.recent if turn.id >= spoken[-1].id]
    with chat.background.paused():
        change = set_expiry(chat.store, exchange, text, chat.speaker)
    listed = ", ".join(f"[{turn_id}]" for turn_id in exchange)
    when = "stay" if text == NEVER else f"will be forgotten: {text}"
    chat.screen.show(f"{listed} {when} (change {change.id})")


def reset(chat: Chat, _: str) -> None:
    """Forget all turns, after a question with their number."""
    turns = chat.store.turns()
    if not turns:
        chat.screen.show("this memory is empty")
        return
    facts = size_of(chat.store).facts
    chat.screen.show(
        f"This wipes the memory {chat.memory_name!r}:"
        f" {_turn_counts(chat)}, {count(facts, 'fact')}."
        f" Its settings stay: who you are, and who {chat.character} is."
    )
    if _agreed(chat, "Delete everything for good?"):
        _wipe(chat, turns)


def rename(chat: Chat, name: str) -> None:
    """Change the user's name."""
    if chat.speaker != chat.user:
        raise InputError(f"{chat.speaker} speaks; /speaker {chat.user} first, then /rename")
    if name_of(name) != chat.user:
        chat.rename(name_of(name))
    chat.screen.show(f"from now on you are {chat.user}")


def set_speaker(chat: Chat, name: str) -> None:
    """Set who speaks from now on."""
    chat.set_speaker(name_of(name))
    if chat.speaker == chat.user:
        chat.screen.show(f"from now on you are {chat.user}")
    else:
        chat.screen.show(f"{chat.speaker} speaks now; /speaker {chat.user} switches back")


def private(chat: Chat, _: str) -> None:
    """Store nothing of what follows; once more, store again."""
    if chat.go_off_the_record():
        chat.screen.show("off the record: nothing of what follows is stored; /private ends it")
    else:
        chat.screen.show("on the record again: what follows is stored")


COMMANDS: Mapping[str, Callable[[Chat, str], None]] = {
    "why": why,
    "memory": memory,
    "fact": fact,
    "undo": undo,
    "forget": forget,
    "expire": expire,
    "speaker": set_speaker,
    "rename": rename,
    "private": private,
    "reset": reset,
    "help": show_help,
}


def _wipe(chat: Chat, turns: list[Turn]) -> None:
    """Forget turns, in this session too, and show the receipt."""
    turn_ids = {turn.id for turn in turns}
    # Forgetting overwrites the file: no one else may read or write it meanwhile.
    with chat.background.paused():
        *_, receipt = receipts = forget_without_preview(chat.store, sorted(turn_ids), replies=False)
    chat.recent = [turn for turn in chat.recent if turn.id not in turn_ids]
    chat.last = None  # its sources may be forgotten
    counts = f"{count(len(turns), 'turn')} and {count(len(receipt.facts), 'fact')}"
    chat.screen.show(f"forgot {counts}")
    for each in receipts:
        chat.screen.show(f"receipt: sha256 {each.sha256}, salt {each.salt} (stored nowhere else)")
    if receipt.vacuum:
        chat.screen.show("removed; the bytes go when the server vacuums: `memory admin vacuum`")
    for file in receipt.unreached:
        chat.screen.show(f"not reached: {file}; delete it when you find it")


def _turn_counts(chat: Chat) -> str:
    """How many turns there are, and whose: `12 turns (Anna 6, Miku 6)`."""
    turns = size_of(chat.store).turns
    _subjects, speakers = count_names(chat.store)
    listed = speakers_by_turns(chat.store)[:_MOST_SPEAKERS]
    parts = [f"{name} {count}" for name, count in listed]
    if speakers > len(parts):
        parts.append(f"{speakers - len(parts)} others")
    return f"{count(turns, 'turn')} ({', '.join(parts) or 'no one yet'})"


def _agreed(chat: Chat, question: str) -> bool:
    """Whether the user confirms with yes or the memory's name."""
    if chat.screen.agrees(question, "yes", chat.memory_name):
        return True
    chat.screen.show("nothing was changed")
    return False


def _show_turns(chat: Chat, turns: list[Turn]) -> None:
    for turn in turns[:_MOST_TURNS]:
        line = turn_line(turn)
        if len(line) > _MOST_CHARACTERS:
            line = line[: _MOST_CHARACTERS - 3] + "..."
        chat.screen.show(line)
    if len(turns) > _MOST_TURNS:
        chat.screen.show(f"... and {count(len(turns) - _MOST_TURNS, 'turn')}", "dim")


def talk(chat: Chat) -> None:
    """Chat until `bye`, the end of the input, or Ctrl-C twice."""
    chat.greet()
    warned = False
    while True:
        try:
            text = chat.screen.ask(f"{chat.speaker}: ").strip()
            warned = False
            if text.lower() in ("bye", "exit", "quit"):
                break
            if text:
                obey(chat, text)
        except EOFError:
            break
        except KeyboardInterrupt:
            if warned:
                break
            warned = True
            chat.screen.show("press Ctrl-C again, or type bye, to end the chat", "dim")
        # Messages are stored by now: an error costs a reply or a command, not the chat.
        except MemoryFault as error:
            chat.screen.show(f"error: {error}", "red")
    chat.leave()


def obey(chat: Chat, text: str) -> None:
    """Run a command, or reply to a message."""
    if text.lower() in ("reset", "help"):
        text = f"/{text}"
    if not text.startswith("/"):
        chat.exchange(text)
        return
    name, _, argument = text[1:].partition(" ")
    command = COMMANDS.get(name.lower())
    if command is None:
        raise InputError(f"unknown command /{name}; /help lists the commands")
    command(chat, argument.strip())
