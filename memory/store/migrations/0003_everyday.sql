-- What everyday use needs: turns by their outside id, and which turns questions brought up.
CREATE INDEX turns_by_source ON turns (source) WHERE source <> '';

CREATE TABLE shown (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    times   INTEGER NOT NULL
);

-- A turn is seldom forgotten, but then SQLite looks for all that names it.
CREATE INDEX changes_by_first_turn ON changes (first_turn);
CREATE INDEX staged_vectors_by_turn ON staged_vectors (turn_id);
