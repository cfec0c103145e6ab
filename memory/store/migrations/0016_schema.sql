-- One namespace: what was said, what follows from it, and what search and the worker keep. Dates are
-- ISO text, as exact as known.
--
-- A file's schema is compared with this text, so a CREATE here reads to the letter as in memories
-- that came to it by steps: where a column stands behind a comma, ALTER TABLE put it there.


-- ======== turns ========

CREATE TABLE turns (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL CHECK (kind IN ('message', 'document', 'tool')),
    session TEXT NOT NULL,
    speaker TEXT NOT NULL,
    text    TEXT NOT NULL CHECK (text <> ''),
    said_at TEXT NOT NULL,
    source  TEXT NOT NULL
);
CREATE INDEX turns_by_session ON turns (session);
CREATE INDEX turns_by_source ON turns (source) WHERE source <> '';

CREATE TRIGGER turns_are_immutable BEFORE UPDATE ON turns
BEGIN
    SELECT RAISE(ABORT, 'turns are never changed');
END;

-- What the turns of a block came to when they were stored; memory.store.files.integrity adds them up
-- again. A sum, because a turn that is forgotten can be taken off it.
CREATE TABLE checksums (
    block INTEGER PRIMARY KEY,
    turns INTEGER NOT NULL,
    total INTEGER NOT NULL
);

CREATE TRIGGER turns_inserted AFTER INSERT ON turns
BEGIN
    INSERT INTO checksums (block, turns, total)
    VALUES (new.id / 256, 1,
            turn_checksum(new.id, new.kind, new.session, new.speaker, new.text, new.said_at,
                          new.source))
    ON CONFLICT (block) DO UPDATE SET turns = turns + 1, total = total + excluded.total;
END;

CREATE TRIGGER turns_deleted AFTER DELETE ON turns
BEGIN
    UPDATE checksums SET turns = turns - 1,
        total = total - turn_checksum(old.id, old.kind, old.session, old.speaker, old.text,
                                      old.said_at, old.source)
    WHERE block = old.id / 256;
    DELETE FROM checksums WHERE block = old.id / 256 AND turns = 0;
END;

CREATE TABLE tags (
    turn_id INTEGER NOT NULL REFERENCES turns (id),
    key     TEXT NOT NULL CHECK (key <> ''),
    value   TEXT NOT NULL CHECK (value <> ''),
    PRIMARY KEY (turn_id, key, value)
) WITHOUT ROWID;
CREATE INDEX tags_by_value ON tags (key, value, turn_id);

-- How often questions brought a turn up.
CREATE TABLE shown (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    times   INTEGER NOT NULL
);

-- Windows that no model has stored yet. A row is made before the model is asked, so that a kill
-- leaves the window here; `claimed_by` works on it until `claimed_until` (Unix seconds). `statement`
-- is what a model wrote and a person must decide about; empty where nothing is held.
CREATE TABLE pending (
    first_turn    INTEGER NOT NULL REFERENCES turns (id),
    last_turn     INTEGER NOT NULL REFERENCES turns (id),
    error         TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    claimed_by    TEXT NOT NULL,
    claimed_until REAL NOT NULL, statement TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (first_turn, last_turn)
);
CREATE INDEX pending_by_last_turn ON pending (last_turn);


-- ======== facts ========

-- `entity` is who the subject is, and `value_entity` whom the value names: derived from the aliases,
-- so the journal of facts is silent about them.
CREATE TABLE facts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    subject     TEXT NOT NULL CHECK (subject <> ''),
    attribute   TEXT NOT NULL CHECK (attribute <> ''),
    value       TEXT NOT NULL CHECK (value <> ''),
    happened_on TEXT,
    ended_on    TEXT,
    turn_id     INTEGER NOT NULL REFERENCES turns (id),
    recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
, entity TEXT, value_entity TEXT);
CREATE INDEX facts_by_turn ON facts (turn_id);
CREATE INDEX facts_by_subject ON facts (subject, attribute);
CREATE INDEX facts_by_entity ON facts (entity, attribute);
CREATE INDEX facts_by_value_entity ON facts (value_entity) WHERE value_entity IS NOT NULL;

-- No fact is so long that one step of SQLite takes seconds with it.
CREATE TRIGGER inserted_fact_is_short BEFORE INSERT ON facts
WHEN max(length(new.subject), length(new.attribute), length(new.value),
         length(coalesce(new.happened_on, '')), length(coalesce(new.ended_on, ''))) > 20000
BEGIN
    SELECT RAISE(ABORT, 'a column of a fact holds at most 20000 characters');
END;

CREATE TRIGGER updated_fact_is_short BEFORE UPDATE ON facts
WHEN max(length(new.subject), length(new.attribute), length(new.value),
         length(coalesce(new.happened_on, '')), length(coalesce(new.ended_on, ''))) > 20000
BEGIN
    SELECT RAISE(ABORT, 'a column of a fact holds at most 20000 characters');
END;

-- The dates of a fact are dates, as exact as known, and its turn is a number, also where a statement
-- has computed them. A date that is not there is NULL.
CREATE TRIGGER inserted_fact_is_dated BEFORE INSERT ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        new.happened_on IS NULL
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (new.ended_on IS NULL OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;

CREATE TRIGGER updated_fact_is_dated
BEFORE UPDATE OF happened_on, ended_on, turn_id ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        new.happened_on IS NULL
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (new.ended_on IS NULL OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;

-- Pairs of facts that cannot both be true, where neither corrects the other. `first_fact` was stored
-- first; `turn_id` is the turn of the second. `settled` says which a person found right, '' while
-- nobody has. No foreign keys: a fact that is deleted may be restored.
CREATE TABLE contradictions (
    first_fact  INTEGER NOT NULL,
    second_fact INTEGER NOT NULL,
    first_turn  INTEGER NOT NULL,
    turn_id     INTEGER NOT NULL,
    settled     TEXT NOT NULL CHECK (settled IN ('', 'first', 'second', 'both')),
    PRIMARY KEY (first_fact, second_fact)
) WITHOUT ROWID;
CREATE INDEX contradictions_by_turn ON contradictions (turn_id);
CREATE INDEX contradictions_by_first_turn ON contradictions (first_turn);
CREATE INDEX contradictions_by_second_fact ON contradictions (second_fact);

-- The story of a memory, a line for each run of turns; of kind 'month' in earlier memories. An empty
-- text waits to be written anew: a fact of these turns was corrected, or a turn forgotten.
CREATE TABLE summaries (
    turn_id      INTEGER NOT NULL,
    last_turn_id INTEGER NOT NULL CHECK (last_turn_id >= turn_id),
    kind         TEXT NOT NULL CHECK (kind IN ('session', 'month')),
    summary      TEXT NOT NULL,
    PRIMARY KEY (turn_id, last_turn_id, kind)
) WITHOUT ROWID;


-- ======== what an application brings ========

-- Beside or instead of the default ones (memory/vocabulary). Other names and values are JSON arrays,
-- the templates and the form of values in them a JSON object (memory/vocabulary/attributes.py).
CREATE TABLE attributes (
    name           TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    other_names    TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('one value', 'many', 'event')),
    allowed_values TEXT NOT NULL,
    instruction    TEXT NOT NULL
, templates TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID;

CREATE TABLE entities (
    name        TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    description TEXT NOT NULL
) WITHOUT ROWID;

-- NAME is ENTITY, said in a turn. No foreign key: 0 is a person's word, which holds everywhere.
CREATE TABLE aliases (
    name    TEXT NOT NULL CHECK (name <> ''),
    entity  TEXT NOT NULL CHECK (entity <> ''),
    turn_id INTEGER NOT NULL,
    PRIMARY KEY (name, entity, turn_id)
) WITHOUT ROWID;
CREATE INDEX aliases_by_entity ON aliases (entity);
CREATE INDEX aliases_by_turn ON aliases (turn_id);


-- ======== the journal ========

CREATE TABLE changes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         TEXT NOT NULL,
    cause      TEXT NOT NULL,
    statement  TEXT NOT NULL,
    undone_at  TEXT,
    undoes     INTEGER REFERENCES changes (id),
    first_turn INTEGER REFERENCES turns (id),
    last_turn  INTEGER REFERENCES turns (id)
);
CREATE INDEX changes_by_window ON changes (last_turn);
-- A turn is seldom forgotten, but then SQLite looks for all that names it.
CREATE INDEX changes_by_first_turn ON changes (first_turn);

CREATE TABLE facts_log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    change_id INTEGER NOT NULL REFERENCES changes (id),
    fact_id   INTEGER NOT NULL,
    before    TEXT,
    after     TEXT
);
CREATE INDEX facts_log_by_change ON facts_log (change_id);
CREATE INDEX facts_log_by_fact ON facts_log (fact_id);
-- The facts that were made of a turn, also those that are gone: [6] is turn_id (journal.FACT_IMAGE).
CREATE INDEX facts_log_by_turn ON facts_log (json_extract(after, '$[6]'));

-- What changes did to rows of other tables, each a JSON object. `turn_id` is the turn that the row
-- rests on, 0 for none.
CREATE TABLE rows_log (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    change_id  INTEGER NOT NULL REFERENCES changes (id),
    table_name TEXT NOT NULL,
    turn_id    INTEGER NOT NULL,
    before     TEXT,
    after      TEXT
);
CREATE INDEX rows_log_by_change ON rows_log (change_id);
CREATE INDEX rows_log_by_turn ON rows_log (turn_id);

-- The journal of facts and the index of their words write themselves: a change row is inserted
-- first, and whatever happens to facts in the same transaction belongs to it.
CREATE TRIGGER facts_inserted AFTER INSERT ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id, NULL,
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_words (rowid, words)
    VALUES (new.id, words(new.subject || ' ' || new.attribute || ' ' || new.value));
END;

CREATE TRIGGER facts_updated
AFTER UPDATE OF id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id,
            json_array(old.id, old.subject, old.attribute, old.value, old.happened_on,
                       old.ended_on, old.turn_id, old.recorded_at),
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_words (facts_words, rowid, words)
    VALUES ('delete', old.id, words(old.subject || ' ' || old.attribute || ' ' || old.value));
    INSERT INTO facts_words (rowid, words)
    VALUES (new.id, words(new.subject || ' ' || new.attribute || ' ' || new.value));
END;

CREATE TRIGGER facts_deleted AFTER DELETE ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), old.id,
            json_array(old.id, old.subject, old.attribute, old.value, old.happened_on,
                       old.ended_on, old.turn_id, old.recorded_at), NULL);
    INSERT INTO facts_words (facts_words, rowid, words)
    VALUES ('delete', old.id, words(old.subject || ' ' || old.attribute || ' ' || old.value));
END;


-- ======== search ========

-- The words of turns and facts as memory.text.words splits them. English is stemmed here.
CREATE VIRTUAL TABLE turns_words USING fts5 (
    words, content = '', detail = 'none', columnsize = 0, tokenize = 'porter ascii'
);
-- FTS5 merges its lists while turns are added, so many pages at a time: with smaller pages no turn
-- waits long (6 ms instead of 28 at 100,000 turns), and a search reads less.
INSERT INTO turns_words (turns_words, rank) VALUES ('pgsz', 500);

CREATE VIRTUAL TABLE facts_words USING fts5 (
    words, content = '', detail = 'none', columnsize = 0, tokenize = 'porter ascii'
);

-- What is kept of each turn: first in `recent`, later in blocks of many turns, which load at once.
-- Columns, codes and vectors are arrays (memory/search/turn_columns.py).
CREATE TABLE speakers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE recent (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    columns BLOB NOT NULL,
    vector  BLOB NOT NULL
);

CREATE TABLE blocks (
    first_turn INTEGER PRIMARY KEY REFERENCES turns (id),
    last_turn  INTEGER NOT NULL REFERENCES turns (id),
    columns    BLOB NOT NULL,
    codes      BLOB NOT NULL
);

-- The vectors of a block in pieces: a search in a large memory reads a few of them.
CREATE TABLE pieces (
    first_turn INTEGER PRIMARY KEY REFERENCES turns (id),
    vectors    BLOB NOT NULL
);

-- Vectors (32-bit floats) by another embedder, until there is one of every turn. The newest
-- settings row 'embedder' says who made those of `recent` and `blocks`.
CREATE TABLE staged_vectors (
    embedder TEXT NOT NULL,
    turn_id  INTEGER NOT NULL REFERENCES turns (id),
    vector   BLOB NOT NULL,
    PRIMARY KEY (embedder, turn_id)
);
CREATE INDEX staged_vectors_by_turn ON staged_vectors (turn_id);


-- ======== settings and the worker ========

CREATE TABLE settings (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    set_at TEXT NOT NULL
);
CREATE INDEX settings_by_name ON settings (name);

-- What `memory worker` does for this memory, a row for each task: 'digest', 'refine', 'forget', 'feed'
-- and an address. It is no part of what the memory holds: dumps and copies leave it out. Times are
-- Unix seconds. `position` is the last change that an address was sent; `calls` and `tokens` are
-- those of the `day`.
CREATE TABLE work (
    task       TEXT NOT NULL PRIMARY KEY,
    served_at  REAL NOT NULL DEFAULT 0,
    due_at     REAL NOT NULL DEFAULT 0,
    held_by    TEXT NOT NULL DEFAULT '',
    held_until REAL NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    position   INTEGER NOT NULL DEFAULT 0,
    day        TEXT NOT NULL DEFAULT '',
    calls      INTEGER NOT NULL DEFAULT 0,
    tokens     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
