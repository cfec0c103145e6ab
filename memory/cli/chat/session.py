"""The session of a chat with a character that remembers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memory.cli.chat.screen import Screen
from memory.errors import InputError
from memory.evidence.ago import time_difference
from memory.evidence.messages import is_question
from memory.facts import newest_id
from memory.recall.corrections import answer_facts
from memory.records import CUT_ANSWER, Tags, Turn
from memory.store import Store
from memory.store.configuration.declared_settings import Settings, name_of
from memory.store.configuration.setting_values import CHAT
from memory.store.facts.fact_reads import facts_from
from memory.store.turns.traces import record_trace
from memory.store.turns.turn_reads import date_of_last_message
from memory.store.turns.turn_validation import local_now
from memory.system.terminal import count, progress
from memory.text.characters import is_visible
from memory.text.dates import spoken_date
from memory.vocabulary.fact_lines import fact_line
from memory.worker.waiting import waiting

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.cli.chat.background import Background
    from memory.records import Answer

UNNAMED = "User"  # the speaker until there is a name
_INTERRUPTED = " ... (interrupted)"
_CTRL_C = "Ctrl-C is safe"
_LATER = "`memory digest` stores the rest"


class Chat:
    """One session: its messages, its speakers, and what the last answer is based on.

    Arguments:
        memory: the memory, which the caller closes.
        background: who stores facts.
        screen: the input and the output.
        memory_name: what the memory is called when asking to wipe it.
        speaker, character, persona: as given to the command; None for the remembered ones.
    """

    def __init__(
        self,
        memory: "Memory",
        background: "Background",
        screen: Screen,
        memory_name: str = "default",
        speaker: str | None = None,
        character: str | None = None,
        persona: str | None = None,
    ) -> None:
        self.memory = memory
        self.background = background
        self.screen = screen
        self.memory_name = memory_name
        self.store: Store = memory.store
        self.settings = Settings(self.store, CHAT)
        self.session = local_now()
        self.recent: list[Turn] = []
        self.last: Answer | None = None
        self._seen = 0  # the newest change at that time
        self.private: Memory | None = None  # what replies off the record
        self._talks = memory.has_model and memory.program.reply.takes_persona
        self._ignores_persona = bool(persona) and not self._talks
        self.character = self._remembered("character", character, "Assistant")
        self.persona = self._remembered("persona", persona, "")
        # Read before this session adds a turn; None in a new memory.
        self._last_said_at = date_of_last_message(self.store)
        known_user = self.settings.get("user")
        self.user = known_user or name_of(speaker or UNNAMED)
        self.speaker = self.user
        if not known_user:
            self.settings.set("user", self.user)
        elif speaker:
            self.set_speaker(name_of(speaker))

    def exchange(self, text: str) -> None:
        """Store something said and let the character reply; each is durable before what follows.

        Off the record nothing is stored.
        """
        message = self.add(self.speaker, text)
        if self.private is None:
            self._correct(message)
            self._show_stored(message)
        reply = (self.private or self.memory).reply(
            message,
            recent=self.recent[:-1],  # the last one is the message itself
            character=self.character,
            persona=self.persona,
            known_as=self.former_names() if self.speaker == self.user else (),
        )
        pieces = iter(reply)
        text_so_far = ""
        is_whole = False
        try:
            with self.screen.waiting(f"{self.character} thinks"):
                text_so_far = next(pieces, "")
            self.screen.show(f"{self.character}: ", "bold", end="")
            self.screen.show(text_so_far, end="")
            for piece in pieces:
                text_so_far += piece
                self.screen.show(piece, end="")
            is_whole = True
        except KeyboardInterrupt:  # the reply ends, not the chat
            self.screen.show(_INTERRUPTED, "dim", end="")
        finally:
            reply_text = text_so_far.strip()
            if is_visible(reply_text) and reply.is_by_model:
                # Text on the screen is a part of the conversation, whole or not.
                reply_turn = self.add(
                    self.character, reply_text, tags={} if is_whole else CUT_ANSWER
                )
                if reply_turn.id and reply.answer:
                    record_trace(
                        self.store, reply_turn.id, reply.answer.shown, reply.answer.shown_facts
                    )
            self.last = reply.answer
            self._seen = newest_id(self.store)
            if self.private is None:
                self.background.turns_added(2 if reply.is_by_model else 1)
            says_nothing = is_whole and not is_visible(reply_text)
            self.screen.show("(says nothing)" if says_nothing else "")
        if reply.is_by_model:  # any other reply lists them itself
            self._show_nearest(reply.answer)

    def _correct(self, message: Turn) -> None:
        """Edit the facts that a message takes back; the pause keeps the thread out."""
        answer, self.last = self.last, None
        if answer is None or is_question(message.text):
            return
        if not answer_facts(self.store, answer, self._seen):
            return  # nothing waits for the thread
        if self.background.is_digesting:
            self.screen.show("a digest ends first, then what you take back is looked at", "dim")
        with self.background.paused():
            for correction in self.memory.correct(message, answer, self._seen):
                self.screen.show(correction.line, "dim")

    def _show_stored(self, message: Turn) -> None:
        """Show the facts that were stored with a message, unless the reply names them."""
        if not self._talks:
            return
        for fact in facts_from(self.store, [message.id]):
            self.screen.show(f"stored: {fact_line(fact)}", "dim")

    def _show_nearest(self, answer: "Answer | None") -> None:
        """Show the turns nearest to a question whose answer has no source; they are not a reply."""
        from memory.program.quotations import nearest_lines  # with DSPy

        for line in () if answer is None else nearest_lines(answer):
            self.screen.show(line, "dim")

    def add(self, speaker: str, text: str, tags: Tags | None = None) -> Turn:
        """Store a turn of this session, unless it is off the record; it is durable on return."""
        turn = Turn(speaker, text, session=self.session, said_at=local_now(), tags=tags or {})
        if self.private is None:
            [turn_id] = self.memory.add(turn)
            turn = self.store.turn(turn_id)
        self.recent.append(turn)
        return turn

    def go_off_the_record(self) -> bool:
        """Store nothing from now on, or store again; returns whether it is off the record now.

        What was said off the record is not shown to the model any more once it ends.
        """
        if self.private is None:
            self.private = self.memory.off_the_record()
        else:
            self.end_off_the_record()
        return self.private is not None

    def end_off_the_record(self) -> None:
        """Store again what is said, and let go of what was said off the record."""
        if self.private is not None:
            self.private.close()
            self.private, self.last = None, None
            self.recent = [turn for turn in self.recent if turn.id]

    def set_speaker(self, name: str) -> None:
        """Let this person speak. The first name in a memory is the user's; others are guests."""
        if self.user == UNNAMED and name != UNNAMED:
            self.rename(name)
        else:
            self.speaker = name

    def rename(self, new: str) -> None:
        """Give the user another name from now on; a turn of the memory says so."""
        # Said under the old name, so that the turns tell who is who; the setting alone would not.
        if self.private is not None:
            raise InputError("a name is remembered, and this is off the record; /private ends it")
        self.add(self.user, f"My name is {new}.")
        self.background.turns_added()
        self.settings.set("user", new)
        self.user = new
        self.speaker = new

    def former_names(self) -> Sequence[str]:
        """The user's earlier names."""
        names = dict.fromkeys(str(setting.value) for setting in self.settings.history("user"))
        return [name for name in names if name != self.user]

    def greet(self) -> None:
        """Show the first line: a greeting, with the date when the two last spoke."""
        name = "" if self.speaker == UNNAMED else f" {self.speaker}"
        text = f"Hello{name}! I remember what you tell me. /help says what else I can do."
        if (said_at := self._last_said_at) is not None:
            when = f"on {spoken_date(said_at)}, {time_difference(said_at)}" if said_at else "before"
            text = f"Hello{name}, here we are again! We last spoke {when}."
        self.screen.show(f"{self.character}: ", "bold", end="")
        self.screen.show(text)
        if self._ignores_persona:
            self.screen.show(
                "a persona needs a larger model; this one is remembered for it",
                "dim",
            )

    def leave(self) -> None:
        """Let the model store what this session added, and earlier turns if the user agrees.

        Ctrl-C leaves the rest for a later digest.
        """
        self.end_off_the_record()
        name = "" if self.speaker == UNNAMED else f", {self.speaker}"
        self.screen.show(f"{self.character}: ", "bold", end="")
        self.screen.show(f"Bye{name}!")
        if not self.background.digests:
            return
        since = 0 if self._agrees_to_digest_earlier_turns() else self.background.since
        windows = waiting(self.store, self.memory.model, first=since).cost.calls
        try:
            with progress() as bar:
                task = bar.add_task(f"storing facts ({_CTRL_C})", total=windows)
                self.background.drain(lambda stored: bar.update(task, completed=stored), since)
        except KeyboardInterrupt:
            self.screen.show(f"interrupted: all was kept, {_LATER}", "dim")
            return
        if self.background.error:
            self.screen.show(f"all was kept, facts wait: {self.background.error}", "red")

    def _agrees_to_digest_earlier_turns(self) -> bool:
        """Whether turns from before this session wait, and the user wants them stored now."""
        model = self.memory.model
        stored = self.background.stored
        earlier = waiting(
            self.store,
            model,
            last=self.background.since - 1,
            seconds_a_call=self.background.seconds / stored if stored else None,
        )
        if not earlier.turns or not self.screen.attended:
            return False
        minutes = max(round(earlier.seconds / 60), 1)
        costs = [count(earlier.cost.calls, "call") + f" of {model.name}"]
        if earlier.cost.dollars:
            costs.append(f"about {earlier.cost.price_text}")
        costs.append(f"about {count(minutes, 'minute')}; {_CTRL_C}")
        self.screen.show(
            f"{count(earlier.turns, 'turn')} from before this chat"
            f" {'is' if earlier.turns == 1 else 'are'} no facts yet: {', '.join(costs)}."
        )
        if self.screen.agrees("Store their facts now?", "yes"):
            return True
        self.screen.show(f"they do not change; {_LATER}", "dim")
        return False

    def _remembered(self, name: str, argument: str | None, default: str) -> str:
        """The command's value, else the setting; a new value becomes the setting."""
        before = self.settings.get(name)
        value = str(default if before is None else before)
        if argument is not None:
            value = argument if name == "persona" else name_of(argument)
        if value != before:
            self.settings.set(name, value)
        return value
