-- One namespace. Dates are ISO text, as exact as known.
CREATE TABLE turns (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL CHECK (kind IN ('message', 'document', 'tool')),
    session TEXT NOT NULL,
    speaker TEXT NOT NULL,
    text    TEXT NOT NULL CHECK (text <> ''),
    said_at TEXT NOT NULL,
    source  TEXT NOT NULL
);

CREATE TRIGGER turns_are_immutable BEFORE UPDATE ON turns
BEGIN
    SELECT RAISE(ABORT, 'turns are never changed');
END;

CREATE TABLE turn_vectors (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    vector  BLOB NOT NULL
);

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

CREATE TABLE facts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    subject     TEXT NOT NULL CHECK (subject <> ''),
    attribute   TEXT NOT NULL CHECK (attribute <> ''),
    value       TEXT NOT NULL CHECK (value <> ''),
    happened_on TEXT,
    ended_on    TEXT,
    turn_id     INTEGER NOT NULL REFERENCES turns (id),
    recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX facts_by_turn ON facts (turn_id);
CREATE INDEX facts_by_subject ON facts (subject, attribute);

CREATE TABLE facts_log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    change_id INTEGER NOT NULL REFERENCES changes (id),
    fact_id   INTEGER NOT NULL,
    before    TEXT,
    after     TEXT
);
CREATE INDEX facts_log_by_change ON facts_log (change_id);
CREATE INDEX facts_log_by_fact ON facts_log (fact_id);

-- The journal writes itself: a change row is inserted first, and whatever happens to facts in the
-- same transaction belongs to it.
CREATE TRIGGER facts_inserted AFTER INSERT ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id, NULL,
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_fts (rowid, subject, attribute, value)
    VALUES (new.id, new.subject, new.attribute, new.value);
END;

CREATE TRIGGER facts_updated AFTER UPDATE ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id,
            json_array(old.id, old.subject, old.attribute, old.value, old.happened_on,
                       old.ended_on, old.turn_id, old.recorded_at),
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_fts (facts_fts, rowid, subject, attribute, value)
    VALUES ('delete', old.id, old.subject, old.attribute, old.value);
    INSERT INTO facts_fts (rowid, subject, attribute, value)
    VALUES (new.id, new.subject, new.attribute, new.value);
END;

CREATE TRIGGER facts_deleted AFTER DELETE ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), old.id,
            json_array(old.id, old.subject, old.attribute, old.value, old.happened_on,
                       old.ended_on, old.turn_id, old.recorded_at), NULL);
    INSERT INTO facts_fts (facts_fts, rowid, subject, attribute, value)
    VALUES ('delete', old.id, old.subject, old.attribute, old.value);
END;

-- Windows that no model has stored yet. A row is made before the model is asked, so that a kill
-- leaves the window here; `claimed_by` works on it until `claimed_until` (Unix seconds).
CREATE TABLE pending (
    first_turn    INTEGER NOT NULL REFERENCES turns (id),
    last_turn     INTEGER NOT NULL REFERENCES turns (id),
    error         TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    claimed_by    TEXT NOT NULL,
    claimed_until REAL NOT NULL,
    PRIMARY KEY (first_turn, last_turn)
);
CREATE INDEX pending_by_last_turn ON pending (last_turn);

CREATE TABLE settings (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    set_at TEXT NOT NULL
);

CREATE VIRTUAL TABLE turns_fts USING fts5 (
    text, content = 'turns', content_rowid = 'id', tokenize = 'porter unicode61'
);
CREATE TRIGGER turns_inserted AFTER INSERT ON turns
BEGIN
    INSERT INTO turns_fts (rowid, text) VALUES (new.id, new.text);
END;

CREATE VIRTUAL TABLE facts_fts USING fts5 (
    subject, attribute, value,
    content = 'facts', content_rowid = 'id', tokenize = 'porter unicode61'
);
