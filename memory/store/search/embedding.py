"""The vectors of an open store: which embedder makes them, and turns that wait for theirs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memory.errors import ModelError, Stop
from memory.search.embed import (
    PACKAGED_EMBEDDER,
    Embedder,
    HostedEmbedder,
    LocalEmbedder,
    PackagedEmbedder,
    load_embedder,
)
from memory.store.database import HasConnections
from memory.store.search import search_tables, vectors
from memory.system.home import agree_to_embedder, agreed_embedder, embed_command, withdraw_agreement
from memory.system.logs import clean_logger

# After a failure `add` leaves the embedder alone for this time, so that a chat does not wait for
# its retries at each turn of an outage.
EMBEDDER_REST_S = 60.0

_log = clean_logger("memory.store")


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
        agreed: for a copy of `as_of`: the hosted embedder that its memory may ask.
        retry_at: in monotonic seconds; above 0 while the embedder cannot be used.
        fails_questions: whether it failed for the last question.
    """

    requested: str | None
    loaded: Embedder | None = None
    agreed: str = ""
    retry_at: float = 0.0
    fails_questions: bool = False

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

    def to_embed(self, embedder: str) -> tuple[int, int]:
        """How many turns `reembed` would have to embed, and the bytes of their text in UTF-8."""
        with self._store.reading() as conn:
            return vectors.to_embed(conn, embedder)

    def reembed(
        self, embedder: str, batch: int = 96, progress: Callable[[int], None] | None = None
    ) -> None:
        """Make the vectors of all turns anew by another embedder, then change to it at once.

        After each `batch` of turns their new vectors are on disk, and `progress` is called with
        their number. Searches use the old vectors until all new ones exist. If this is interrupted,
        a later call continues where it stopped. Turns that wait for their vectors and turns added
        meanwhile are included, and open stores notice the change.

        Raises InputError when there are no turns or no embedder has this name, ModelError when the
        embedder cannot be used, StoreError when another process was faster.
        """
        loaded = load_embedder(embedder)
        if isinstance(loaded, HostedEmbedder):
            agree_to_embedder(self._store.location, loaded.name)
        vectors.reembed(
            self._store,
            embedder=loaded,
            batch=batch,
            progress=progress or (lambda turns: None),
        )
        self.state.requested = None  # the recorded one is right from now on
        if not isinstance(loaded, HostedEmbedder):
            withdraw_agreement(self._store.location)

    def agree(self) -> None:
        """Note that whoever opened the store with a hosted embedder lets it have the texts."""
        if isinstance(self.state.loaded, HostedEmbedder):
            agree_to_embedder(self._store.location, self.state.loaded.name)

    def agreed_embedder(self) -> str:
        """The hosted embedder that may have this memory's texts; "" for none."""
        return self.state.agreed or agreed_embedder(self._store.location)

    def is_agreed(self, embedder: str) -> bool:
        """Whether a person on this machine named this hosted embedder for this memory."""
        return embedder in (self.state.agreed, agreed_embedder(self._store.location))

    def recorded(self) -> vectors.RecordedEmbedder | None:
        """The embedder that made the vectors; None without turns."""
        with self._store.reading() as conn:
            return vectors.recorded_embedder(conn)

    def is_hosted(self, recorded: vectors.RecordedEmbedder | None) -> bool:
        """Whether the vectors are made on the network: turns are stored before they have theirs."""
        return isinstance(self._load(recorded), HostedEmbedder)

    def embed(
        self, texts: Sequence[str], recorded: vectors.RecordedEmbedder | None
    ) -> NDArray[np.float32]:
        """The unit vectors of texts, a row each. Raises ModelError where they cannot be made."""
        embedder = self._load(recorded)
        if isinstance(embedder, HostedEmbedder) and not self.is_agreed(embedder.name):
            location = self._store.location
            raise ModelError(
                f"{location} names the hosted embedder {embedder.name}, and no user of this"
                " machine has agreed that it gets this memory's texts; agree with:"
                f" {embed_command(location, embedder.name, '--agree')},"
                f" or make the vectors here: {embed_command(location, PACKAGED_EMBEDDER)}"
            )
        rows = embedder(texts)
        if recorded and not rows.shape[1]:  # no text has any words
            return np.zeros((len(texts), recorded.width), np.float32)
        if recorded:
            vectors.refuse_other_width(recorded, rows.shape[1], self._store.location)
        return rows

    def vector_of(self, recorded: vectors.RecordedEmbedder, text: str) -> NDArray[np.float32]:
        """The unit vector of a question; of one number where no turn has a vector.

        Zeros while the server of a hosted embedder fails: then a search is by everything but
        meaning, and a warning is logged, once until it works again.
        """
        try:
            [vector] = self.embed([text], recorded)
            self.state.fails_questions = False
        except vectors.OtherWidthError:
            raise
        except ModelError as error:
            if not self.is_hosted(recorded) or not self.is_agreed(recorded.name):
                raise
            if not self.state.fails_questions:
                _log.warning("%s: searching without meaning: %s", self._store.location, error)
            self.state.fails_questions = True
            return np.zeros(recorded.width or 1, np.float32)
        return vector if recorded.width else np.zeros(1, np.float32)

    def embed_waiting(self, after_rest: bool = False) -> None:
        """Embed the turns that wait for it; what prevents it is logged, once until it works again.

        Nothing is raised: the turns are stored, whatever happens to their vectors. With
        `after_rest` an embedder that has just failed is left alone.
        """
        if after_rest and time.monotonic() < self.state.retry_at:
            return
        if self._store.read_only or isinstance(
            self.state.loaded, (PackagedEmbedder, LocalEmbedder)
        ):
            return
        try:
            vectors.embed_waiting(self._store, self.embed)
            self.state.retry_at = 0.0
        except Stop as error:
            if not self.state.retry_at:
                with self._store.reading() as conn:
                    last = search_tables.last_with_columns(conn)
                    (count,) = conn.run("count_turns_after", after=last).fetchone()
                _log.warning(
                    "%s: %d turns wait for their vectors: %s", self._store.location, count, error
                )
            self.state.retry_at = time.monotonic() + EMBEDDER_REST_S

    def _name_of(self, recorded: vectors.RecordedEmbedder | None) -> str:
        return recorded.name if recorded else self.state.requested or PACKAGED_EMBEDDER

    def _load(self, recorded: vectors.RecordedEmbedder | None) -> Embedder:
        """The recorded embedder, or the one asked for when there is none yet."""
        vectors.refuse_other_name(recorded, self.state.requested, self._store.location)
        name = self._name_of(recorded)
        if self.state.loaded is None or self.state.loaded.name != name:
            self.state.loaded = load_embedder(name)
        return self.state.loaded
