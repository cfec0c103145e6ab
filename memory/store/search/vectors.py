"""Which embedder made the vectors of a namespace, and how another makes them all anew.

The newest row 'embedder' of `settings` names it. A row with another id means other vectors, so a
reader of the old ones must begin again. New vectors are collected in `staged_vectors`, where an
interrupted `reembed` finds them again, until one transaction moves them to the place of the old
ones.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError, ModelError, StoreError
from memory.records import Turn
from memory.search.embed import DIM, PACKAGED_EMBEDDER, Embedder, is_of_a_provider, load_embedder
from memory.store.configuration import settings
from memory.store.database import Connection, HasConnections
from memory.store.search import search_tables
from memory.store.turns import turns_table
from memory.system.home import embed_command

WIDEST = 65_536  # numbers of a vector; the widest known embedders make 8,192
# Texts and the recorded embedder -> (len(texts), width) unit rows.
EmbedTexts = Callable[[Sequence[str], "RecordedEmbedder"], NDArray[np.float32]]


@dataclass(frozen=True)
class RecordedEmbedder:
    """The embedder of all vectors of a namespace: `id` of its settings row, name, width."""

    id: int
    name: str
    width: int


def recorded_embedder(conn: Connection) -> RecordedEmbedder | None:
    """The embedder of this namespace; None when it holds no turns yet."""
    return newest_embedder(conn.run("embedders"))


def newest_embedder(settings: Iterable[tuple[int, str]]) -> RecordedEmbedder | None:
    """The newest of the settings 'embedder' that names one, of (id, value), the newest first."""
    # A file may hold any text there (`integrity` tells of it).
    for row_id, text in settings:
        try:
            name, width = embedder_setting(text)
        except InputError:
            continue
        return RecordedEmbedder(row_id, name, width)
    return None


def embedder_setting(text: str) -> tuple[str, int]:
    """The name and the width in a value of the setting 'embedder'.

    Raises InputError for text that is no such value.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict) and value.keys() == {"name", "width"}:
        name, width = value["name"], value["width"]
        if isinstance(name, str) and type(width) is int and 0 <= width <= WIDEST:
            provider, _, model = name.partition("/")
            if name == PACKAGED_EMBEDDER or (provider and model):
                return name, width
    raise InputError(
        f"the setting embedder is {text!r:.60}, which names none; it holds"
        ' {"name": "PROVIDER/MODEL", "width": NUMBER} and nothing else'
    )


def record_embedder(conn: Connection, name: str, width: int) -> None:
    """Say which embedder made the vectors that this transaction writes."""
    settings.add_setting(conn, "embedder", {"name": name, "width": width})


def refuse_other_name(
    recorded: RecordedEmbedder | None, name: str | None, location: Path | str
) -> None:
    """Raises InputError when another embedder is asked for than the recorded one."""
    if recorded and name and name != recorded.name:
        raise InputError(
            f"the vectors of {location} are by {recorded.name}, not by {name}; open it without"
            f" naming an embedder, or make them anew: {embed_command(location, name)}"
        )


def refuse_other_width(recorded: RecordedEmbedder, width: int, location: Path | str) -> None:
    """Raises ModelError when the recorded embedder makes vectors of another width by now."""
    if recorded.width and width != recorded.width:
        raise ModelError(
            f"{recorded.name} now makes vectors of {width} numbers, the ones in {location} have"
            f" {recorded.width}; make them anew: {embed_command(location, recorded.name)}"
        )


# --- all vectors anew -------------------------------------------------------------------------


def reembed(
    store: HasConnections,
    embedder: Embedder,
    batch: int,
    progress: Callable[[int], None],
) -> None:
    """Make the vectors of all turns anew; see `Vectors.reembed`."""
    with store.transaction() as conn:
        before = recorded_embedder(conn)
        if before is None:
            raise InputError("there are no turns yet; open this memory with the embedder instead")
    while True:
        with store.reading() as conn:
            turns = _unstaged(conn, embedder.name, batch)
        if not turns:
            break
        rows = embedder([text for _, text in turns])
        with store.transaction() as conn:
            stale_width = _stage(conn, embedder.name, turns=turns, rows=rows)
        if stale_width:
            raise ModelError(
                f"{embedder.name} made vectors of {stale_width} numbers before and of"
                f" {rows.shape[1]} now; those from before are dropped, start again"
            )
        progress(len(turns))
    with store.transaction() as conn:
        if recorded_embedder(conn) != before:
            raise StoreError("another process made all vectors anew in the meantime")
        # Turns said since the last look are embedded while writers wait: else a lively chat would
        # be ahead for ever.
        while turns := _unstaged(conn, embedder.name, batch):
            rows = embedder([text for _, text in turns])
            if _stage(conn, embedder.name, turns=turns, rows=rows):
                raise ModelError(f"{embedder.name} changed the width of its vectors; start again")
            progress(len(turns))
        _swap(conn, embedder)


def make_packaged(conn: Connection) -> None:
    """Make the vectors of all turns anew by the packaged embedder, in the caller's transaction."""
    packaged = load_embedder()

    def vectors_of(turns: Sequence[Turn]) -> NDArray[np.float32]:
        return packaged([turn.text for turn in turns])

    search_tables.remake(conn, vectors_of)
    record_embedder(conn, packaged.name, DIM)


def _last_staged(conn: Connection, name: str) -> int:
    """The newest turn with a new vector: all before it have one, as both come in order."""
    (last,) = conn.run("last_staged", embedder=name).fetchone()
    return int(last)


def _unstaged(conn: Connection, name: str, limit: int) -> list[tuple[int, str]]:
    return conn.run("texts_of_turns", after=_last_staged(conn, name), most=limit).fetchall()


def _stage(
    conn: Connection,
    name: str,
    turns: Sequence[tuple[int, str]],
    rows: NDArray[np.float32],
) -> int:
    """Store new vectors of turns (id, text) for the swap.

    Returns 0; where those from before have another width, they are dropped, none are stored, and
    their width is returned.
    """
    width = _staged_width(conn, name)
    if width is not None and width != rows.shape[1]:
        _delete_staged(conn, name)
        return width
    # A turn that another process has staged meanwhile gets this vector.
    conn.run("delete_staged", embedder=name, first=turns[0][0], last=turns[-1][0])
    conn.insert_rows(
        "staged_vectors",
        ("embedder", "turn_id", "vector"),
        [
            (name, turn_id, vector.tobytes())
            for (turn_id, _), vector in zip(turns, rows, strict=True)
        ],
    )
    return 0


def _staged_width(conn: Connection, name: str) -> int | None:
    """Numbers in each staged vector, None when there are none."""
    row = conn.run("staged_width", embedder=name).fetchone()
    return int(row[0]) if row else None


def _delete_staged(conn: Connection, name: str) -> None:
    conn.run("delete_staged", embedder=name, first=0, last=turns_table.BEYOND_ALL_IDS)


def _swap(conn: Connection, embedder: Embedder) -> None:
    """Put the staged vectors in the place of all vectors; the caller's transaction does it."""
    name = embedder.name

    def staged(turns: Sequence[Turn]) -> NDArray[np.float32]:
        rows = conn.run(
            "staged_vectors", embedder=name, first=turns[0].id, last=turns[-1].id
        ).fetchall()
        return np.frombuffer(b"".join(row[0] for row in rows), np.float32).reshape(len(turns), -1)

    width = _staged_width(conn, name)
    search_tables.remake(conn, vectors_of=staged)
    if width is None:  # all turns were forgotten meanwhile
        width = embedder(["a"]).shape[1]
    record_embedder(conn, name, width)
    _delete_staged(conn, name)


class Embedded(HasConnections, Protocol):
    """A store, as far as its vectors need it."""

    read_only: bool

    @property
    def location(self) -> str: ...


@dataclass
class EmbedderState:
    """What one open store knows of its embedder.

    Attributes:
        requested: the embedder that it was opened with; None for the maker of its vectors.
        loaded: the embedder of the last vectors.
    """

    requested: str | None
    loaded: Embedder | None = None

    @classmethod
    def of(cls, requested: str | None) -> "EmbedderState":
        """The state of a store that is opened. Raises InputError if no embedder has the name."""
        return cls(requested, load_embedder(requested) if requested else None)


@dataclass(frozen=True)
class Vectors:
    """The vectors of one open store, whose namespace this reads and writes.

    The store keeps the state alone and makes this on demand: if each held the other, a
    store that nothing uses any more would stay open until Python looks for such circles.
    """

    _store: Embedded
    state: EmbedderState

    @property
    def embedder(self) -> str:
        """The name of the embedder that makes this memory's vectors (memory.search.embed)."""
        return self._name_of(self.recorded())

    def to_embed(self, embedder: str) -> int:
        """How many turns `reembed` would have to embed."""
        with self._store.reading() as conn:
            after = _last_staged(conn, embedder)
            return int(conn.run("count_turns_after", after=after).fetchone()[0])

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        """Make the vectors of all turns anew by another embedder, then change to it at once.

        After each `batch` of turns their new vectors are on disk, and `progress` is called with
        their number. Searches use the old vectors until all new ones exist. If this is interrupted,
        a later call continues where it stopped. Turns added meanwhile are included, and open stores
        notice the change.

        Raises InputError when there are no turns or no embedder has this name, ModelError when the
        embedder cannot be used, StoreError when another process was faster.
        """
        reembed(
            self._store,
            embedder=load_embedder(embedder),
            batch=batch,
            progress=progress or (lambda turns: None),
        )
        self.state.requested = None  # the recorded one is right from now on

    def recorded(self) -> RecordedEmbedder | None:
        """The embedder that made the vectors; None without turns."""
        with self._store.reading() as conn:
            return recorded_embedder(conn)

    def embed(self, texts: Sequence[str], recorded: RecordedEmbedder | None) -> NDArray[np.float32]:
        """The unit vectors of texts, a row each. Raises ModelError where they cannot be made."""
        rows = self._load(recorded)(texts)
        if recorded:
            refuse_other_width(recorded, rows.shape[1], self._store.location)
        return rows

    def vector_of(self, recorded: RecordedEmbedder, text: str) -> NDArray[np.float32]:
        """The unit vector of a question. Raises ModelError where it cannot be made."""
        return np.asarray(self.embed([text], recorded)[0], np.float32)

    def _name_of(self, recorded: RecordedEmbedder | None) -> str:
        return recorded.name if recorded else self.state.requested or PACKAGED_EMBEDDER

    def _load(self, recorded: RecordedEmbedder | None) -> Embedder:
        """The recorded embedder, or the one asked for when there is none yet."""
        refuse_other_name(recorded, self.state.requested, self._store.location)
        name = self._name_of(recorded)
        if self.state.loaded is None or self.state.loaded.name != name:
            if recorded and is_of_a_provider(name):
                raise InputError(
                    f"the vectors of {self._store.location} are by {name}, which only earlier"
                    " versions asked; make them anew:"
                    f" {embed_command(self._store.location, PACKAGED_EMBEDDER)}"
                )
            self.state.loaded = load_embedder(name)
        return self.state.loaded
