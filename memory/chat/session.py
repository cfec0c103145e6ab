"""The chat: somebody talks with a character that remembers. Command `chat`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memory.chat.commands import name_of
from memory.chat.screen import Screen
from memory.errors import MemoryFault
from memory.injection import time_difference
from memory.model import Turn
from memory.prompt import spoken_date
from memory.settings import CHAT, Settings
from memory.store import Store
from memory.store.turn_validation import local_now
from memory.terminal import progress

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.chat.background import Background
    from memory.model import Answer

UNTOLD = "User"  # the speaker until a name is told
INTERRUPTED = " ... (interrupted)"
_LAST = "SELECT said_at FROM turns WHERE kind = 'message' ORDER BY id DESC LIMIT 1"


class Chat:
    """One session: what was said in it, who speaks, and what the last answer rests on.

    Arguments:
        memory: the memory, which the caller closes.
        background: who stores facts.
        screen: what is read from and written to.
        whose: what the memory is called when it is to be wiped.
        user, character, persona: as the command was given them; None for what is remembered.
    """

    def __init__(
        self,
        memory: "Memory",
        background: "Background",
        screen: Screen,
        whose: str = "default",
        user: str | None = None,
        character: str | None = None,
        persona: str | None = None,
    ) -> None:
        self.memory, self.background, self.screen, self.whose = memory, background, screen, whose
        self.store: Store = memory.store
        self.settings = Settings(self.store, CHAT)
        self.session = local_now()
        self.recent: list[Turn] = []
        self.last: Answer | None = None
        self.character = self._remembered("character", character, "Assistant")
        self.persona = self._remembered("persona", persona, "")
        self._last_said = self.store.read(_LAST).rows
        known = self.settings.get("user")
        self.user = self.speaker = known or name_of(user or UNTOLD)
        if not known:
            self.settings.set("user", self.user)
        elif user and name_of(user) != known:
            if known == UNTOLD:
                self.rename(name_of(user))
            else:
                self.speaker = name_of(user)

    def run(self) -> None:
        """Talk until `bye`, the end of the input, or Ctrl-C twice."""
        self.greet()
        warned = False
        while True:
            try:
                text = self.screen.ask(f"{self.speaker}: ").strip()
                warned = False
                if text.lower() == "bye":
                    break
                if text:
                    self.obey(text)
            except EOFError:
                break
            except KeyboardInterrupt:
                if warned:
                    break
                warned = True
                self.screen.show("Ctrl-C once more ends the chat, and so does bye", "dim")
            except MemoryFault as error:
                self.screen.show(f"error: {error}", "red")
        self.leave()

    def obey(self, text: str) -> None:
        """A command, or something said."""
        from memory.chat.commands import COMMANDS, show_help

        if text.lower() == "reset":
            text = "/reset"
        if not text.startswith("/"):
            self.exchange(text)
            return
        word, _, rest = text[1:].partition(" ")
        COMMANDS.get(word.lower(), show_help)(self, rest.strip())

    def exchange(self, text: str) -> None:
        """Something said, and the reply: each is durable before the next thing happens."""
        message = self.add(self.speaker, text)
        reply = self.memory.reply(
            message,
            recent=self.recent[:-1],
            character=self.character,
            persona=self.persona,
            known_as=self.former_names() if self.speaker == self.user else (),
        )
        pieces, said, whole = iter(reply), "", False
        try:
            with self.screen.waiting(f"{self.character} thinks"):
                said = next(pieces, "")
            self.screen.show(f"{self.character}: ", "bold", end="")
            self.screen.show(said, end="")
            for piece in pieces:
                said += piece
                self.screen.show(piece, end="")
            whole = True
        except KeyboardInterrupt:  # the reply ends, not the chat
            self.screen.show(INTERRUPTED, "dim", end="")
        finally:
            if said.strip():
                self.add(self.character, said.strip() + ("" if whole else INTERRUPTED))
            self.last = reply.answer
            self.background.said(turns=2)
            self.screen.show("" if said.strip() or not whole else "(says nothing)")

    def add(self, speaker: str, text: str) -> Turn:
        """Store a turn of this session; it is durable on return."""
        turn = Turn(speaker, text, self.session, local_now())
        [turn_id] = self.memory.add(turn)
        self.recent.append(self.store.turn(turn_id))
        return self.recent[-1]

    def rename(self, new: str) -> None:
        """Who was called something else is called this from now on; the memory is told."""
        self.add(self.user, f"My name is {new}.")
        self.background.said()
        self.settings.set("user", new)
        self.user = self.speaker = new

    def former_names(self) -> Sequence[str]:
        """What the user was called before."""
        names = dict.fromkeys(str(past.value) for past in self.settings.history("user"))
        return [name for name in names if name != self.user]

    def greet(self) -> None:
        """The first lines: who speaks with whom, and since when."""
        name = "" if self.speaker == UNTOLD else f" {self.speaker}"
        text = f"Hello{name}! I remember what you tell me. /help says what else I can do."
        if self._last_said:
            said_at = str(self._last_said[0][0])
            when = f"on {spoken_date(said_at)}, {time_difference(said_at)}" if said_at else "before"
            text = f"Hello{name}, here we are again! We last spoke {when}."
        self.screen.show(f"{self.character}: ", "bold", end="")
        self.screen.show(text)

    def leave(self) -> None:
        """Let the model store what it has not stored yet; Ctrl-C leaves it for the next time."""
        name = "" if self.speaker == UNTOLD else f", {self.speaker}"
        self.screen.show(f"{self.character}: ", "bold", end="")
        self.screen.show(f"Bye{name}!")
        try:
            with progress() as bar:
                task = bar.add_task("storing facts", total=None)
                self.background.drain(lambda stored: bar.update(task, completed=stored))
        except KeyboardInterrupt:
            self.screen.show("interrupted: all was kept, the next start stores the rest", "dim")
            return
        if self.background.error:
            self.screen.show(f"all was kept, facts wait: {self.background.error}", "red")

    def _remembered(self, name: str, given: str | None, default: str) -> str:
        before = self.settings.get(name)
        value = str(default if before is None else before)
        if given is not None:
            value = given if name == "persona" else name_of(given)
        if value != before:
            self.settings.set(name, value)
        return value
