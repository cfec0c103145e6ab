"""Who is who in an import: each person by their id, under a name that no one else has.

A name can be chosen. An import of a chat where someone else has the name of the memory's user
must not speak for the user, nor must two people of one name become one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from memory.errors import InputError
from memory.exchange.items import ForeignExport, identity_of
from memory.records import Turn
from memory.store import Store
from memory.store.configuration.settings import is_first_person, owner_of, settings_of
from memory.store.facts.standing_facts import characters_of, names_of_askers
from memory.store.turns.turn_reads import all_speakers, imported_people, speakers_not_imported
from memory.store.turns.turn_validation import IMPORTED_AS, ME
from memory.text.characters import look
from memory.text.speakers import is_assistant

_NAMED = 5  # people in a message


def person_called(name: str, people: Mapping[str, str]) -> str:
    """The id of the person with a name, or an id, as typed; "" if no person speaks.

    Raises InputError if no one or more than one is called so.
    """
    people = {
        identity: displayed for identity, displayed in people.items() if not is_assistant(displayed)
    }
    if not people:
        return ""
    key = name.casefold()
    ids = [
        identity
        for identity, displayed in people.items()
        if key in (displayed.casefold(), identity.casefold(), identity.partition(":")[2].casefold())
    ]
    if len(ids) == 1:
        return ids[0]
    if ids:
        listed = ", ".join(ids[:_NAMED])
        raise InputError(f"{len(ids)} people are called {name!r:.60}; give the id: {listed}")
    names = [*dict.fromkeys(people.values())]
    more = ", ..." if len(names) > _NAMED else ""
    raise InputError(
        f"no one in it is called {name!r:.60}; the people are {', '.join(names[:_NAMED])}{more}"
    )


class People:
    """The names of an export's people in a memory."""

    def __init__(self, store: Store, export: ForeignExport, with_wishes: bool) -> None:
        self._format = export.format
        self._me = export.me
        self._user = export.user
        self._with_wishes = with_wishes
        self._owner = owner_of(store)
        self._has_me = False
        self._renamed: dict[str, str] = {}
        people = export.people or {}
        known = imported_people(store)
        self._names = {identity: name for identity, name in reversed(known) if identity != ME}
        # Each of one program's people has a name; the same friend may have it in another program.
        self._taken = {
            look(name): identity for identity, name in known if self._is_of_format(identity)
        }
        self._own = {look(name) for name in self._own_names(store, people.values())}

    def _is_of_format(self, identity: str) -> bool:
        return identity.partition(":")[0] == self._format

    def _own_names(self, store: Store, displayed: Iterable[str]) -> set[str]:
        """The names of those whose words no import brought, apart from characters of chats."""
        characters = characters_of(settings_of(store, "character"))
        looks = {look(name) for name in displayed}
        alike = [name for name in all_speakers(store) if look(name) in looks]
        own = {
            name
            for name in speakers_not_imported(store, alike)
            if name.casefold() not in characters
        }
        return {*own, *names_of_askers(store), self._owner} - {""}

    def named(self, turn: Turn) -> Turn:
        """The turn with its speaker's name in the memory, and with what says whose words it has."""
        if turn.kind != "message":
            return turn
        identity = identity_of(turn, self._format)
        tags = {**turn.tags, IMPORTED_AS: identity}
        if identity in (ME, self._me):
            self._has_me = True
            tags[IMPORTED_AS] = ME
            if self._with_wishes:
                del tags[IMPORTED_AS]
            return replace(turn, speaker=self._name_of_me(turn.speaker), tags=tags)
        return replace(turn, speaker=self._name_of(identity, turn.speaker), tags=tags)

    def _name_of_me(self, displayed: str) -> str:
        """The owner's name, if the memory has one and no other name was given."""
        if self._me or not self._user:
            return self._owner or displayed
        return self._user

    def _name_of(self, identity: str, displayed: str) -> str:
        if identity not in self._names:
            self._names[identity] = self._free_name(identity, displayed)
        return self._names[identity]

    def _free_name(self, identity: str, displayed: str) -> str:
        name, number = displayed, 1
        # An assistant's words are no one's wish or fact, whatever it is called.
        while not is_assistant(name) and self._is_of_another(identity, name):
            number += 1
            name = f"{displayed} ({number})"
        self._taken.setdefault(look(name), identity)
        if name != displayed:
            self._renamed[name] = displayed
        return name

    def _is_of_another(self, identity: str, name: str) -> bool:
        holder = self._taken.get(look(name), identity)
        return holder != identity or look(name) in self._own or is_first_person(name)

    def notes(self) -> Iterable[str]:
        """What a person should know of names and persons."""
        if self._renamed:
            names = [f"{name} (shown as {displayed})" for name, displayed in self._renamed.items()]
            more = ", ..." if len(names) > _NAMED else ""
            yield f"another person here has the name: {', '.join(names[:_NAMED])}{more}"
        if not self._has_me:
            yield (
                "no one in it is taken for you; --speaker NAME says at an import who you are, and"
                " `memory facts entities alias NAME YOUR-NAME` afterwards"
            )
