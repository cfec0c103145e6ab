"""What can be asked for within a chat: /why, /memory, /undo, /forget, /name, /as, reset, /help."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from memory.errors import InputError
from memory.model import Turn
from memory.prompt import turn_line

if TYPE_CHECKING:
    from memory.chat.session import Chat

_SHOWN = 20
_HELP = """\
bye           ends the chat and saves (so does Ctrl-D)
reset         forgets everything that was said, after a question
/why          the turns and the SQL behind the last answer
/memory       what this memory knows
/undo         takes the last change of facts back
/forget TEXT  forgets every turn that says TEXT, and its facts, after a question
/name NAME    what you are called from now on
/as NAME      somebody else speaks from now on
/help         this"""
_FACTS = """SELECT subject, attribute, value, turn_id FROM facts
WHERE COALESCE(ended_on, '') = '' ORDER BY id DESC LIMIT 40"""
_COUNTS = "SELECT COUNT(*) AS facts, COUNT(DISTINCT subject) AS subjects FROM facts"
_SAID = "SELECT COUNT(*) AS turns, COUNT(DISTINCT speaker) AS speakers FROM turns"
_SPEAKERS = """SELECT speaker, COUNT(*) AS turns FROM turns GROUP BY speaker
ORDER BY turns DESC, speaker LIMIT 10"""


def show_help(chat: "Chat", _: str) -> None:
    """What can be typed."""
    chat.screen.show(_HELP)


def why(chat: "Chat", _: str) -> None:
    """The SQL that ran for the last answer, and the turns it rests on."""
    if not chat.last:
        chat.screen.show("no answer yet")
        return
    for statement in chat.last.sql:
        chat.screen.show(statement, "cyan")
    cited = chat.last.turns or chat.last.shown
    told = "the answer names" if chat.last.turns else "the answer names no turn; it was shown"
    if not cited:
        chat.screen.show("the answer rests on no turn of the memory")
        return
    chat.screen.show(f"{told}:")
    _show_turns(chat, [chat.store.turn(turn_id) for turn_id in cited])


def memory(chat: "Chat", _: str) -> None:
    """Counts, and the newest facts by subject."""
    [[facts, subjects]] = chat.store.read(_COUNTS).rows
    known = f"{_count(facts, 'fact')} about {_count(subjects, 'subject')}"
    chat.screen.show(f"{_said(chat)}, {known}")
    by_subject = defaultdict(list)
    for subject, attribute, value, turn_id in chat.store.read(_FACTS).rows:
        by_subject[subject].append(f"  {attribute}: {value} [{turn_id}]")
    for subject, lines in by_subject.items():
        chat.screen.show(str(subject), "bold")
        chat.screen.show("\n".join(lines))
    if facts > sum(map(len, by_subject.values())):
        chat.screen.show("these are the newest that hold; `python -m memory facts` has all", "dim")


def undo(chat: "Chat", _: str) -> None:
    """Take the last change of facts back that is none itself."""
    with chat.background.paused():
        for change in reversed(chat.store.changes()):
            if change.facts and not change.undone_at and not change.cause.startswith("undo"):
                chat.store.undo(change.id)
                chat.screen.show(f"took change {change.id} back ({change.cause}):")
                chat.screen.show(change.statement, "cyan")
                return
    chat.screen.show("there is no change of facts to take back")


def forget(chat: "Chat", text: str) -> None:
    """Forget the turns that say a text, after a question."""
    if not text:
        raise InputError("say what to forget: /forget TEXT")
    found = [turn for turn in chat.store.turns() if text.casefold() in turn.text.casefold()]
    if not found:
        chat.screen.show(f"no turn says {text!r}")
        return
    _show_turns(chat, found)
    if _agreed(chat, f"Forget {_count(len(found), 'turn')} for good, with all facts from there?"):
        _wipe(chat, found)


def reset(chat: "Chat", _: str) -> None:
    """Forget everything that was said, after a question that says how much it is."""
    turns = chat.store.turns()
    if not turns:
        chat.screen.show("this memory is empty")
        return
    [[facts, _subjects]] = chat.store.read(_COUNTS).rows
    chat.screen.show(
        f"This wipes the memory {chat.whose!r}: {_said(chat)}, {_count(facts, 'fact')}."
        f" Its settings stay: who you are, and who {chat.character} is."
    )
    if _agreed(chat, "All of it, for good?"):
        _wipe(chat, turns)


def rename(chat: "Chat", name: str) -> None:
    """The user is called something else from now on."""
    if chat.speaker != chat.user:
        raise InputError(f"{chat.speaker} speaks; /as {chat.user} first, then /name")
    if name_of(name) != chat.user:
        chat.rename(name_of(name))
    chat.screen.show(f"from now on you are {chat.user}")


def speak_as(chat: "Chat", name: str) -> None:
    """Somebody else speaks from now on."""
    chat.speaker = name_of(name)
    chat.screen.show(f"{chat.speaker} speaks now; /as {chat.user} goes back")


COMMANDS: Mapping[str, Callable[["Chat", str], None]] = {
    "why": why,
    "memory": memory,
    "undo": undo,
    "forget": forget,
    "name": rename,
    "as": speak_as,
    "reset": reset,
    "help": show_help,
}


def _wipe(chat: "Chat", turns: list[Turn]) -> None:
    gone = {turn.id for turn in turns}
    with chat.background.paused():
        done = chat.store.forget(sorted(gone))
    chat.recent = [turn for turn in chat.recent if turn.id not in gone]
    chat.last = None
    chat.screen.show(f"forgot {_count(len(turns), 'turn')} and {_count(len(done.facts), 'fact')}")
    chat.screen.show(f"receipt: sha256 {done.sha256}, salt {done.salt} (kept nowhere else)")
    for file in done.unreached:
        chat.screen.show(f"not reached: {file}; when it turns up, delete it")


def _said(chat: "Chat") -> str:
    [[turns, speakers]] = chat.store.read(_SAID).rows
    told = [f"{name} {count}" for name, count in chat.store.read(_SPEAKERS).rows]
    more = [f"{speakers - len(told)} others"] if speakers > len(told) else []
    return f"{_count(turns, 'turn')} ({', '.join(told + more) or 'nobody yet'})"


def _agreed(chat: "Chat", question: str) -> bool:
    try:
        said = chat.screen.ask(f"{question} Type yes or {chat.whose}: ").strip().casefold()
    except (EOFError, KeyboardInterrupt):
        said = ""
    if agreed := said in ("yes", chat.whose.casefold()):
        return agreed
    chat.screen.show("nothing was changed")
    return False


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _show_turns(chat: "Chat", turns: list[Turn]) -> None:
    for turn in turns[:_SHOWN]:
        line = turn_line(turn)
        chat.screen.show(line if len(line) <= 300 else line[:297] + "...")
    if len(turns) > _SHOWN:
        chat.screen.show(f"... and {_count(len(turns[_SHOWN:]), 'turn')}", "dim")


def name_of(text: str) -> str:
    """A name as it can stand before a colon. Raises InputError for what is none."""
    name = " ".join(text.split())
    if not name or len(name) > 60 or ":" in name or not name.isprintable():
        raise InputError(f"{text!r} is no name: 1 to 60 characters, without a colon")
    return name
