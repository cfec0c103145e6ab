-- The steps to schema 16, which memory/store/migrations/0016_schema.sql makes at once: each is one
-- older schema's, without what it did to the rows of a memory. From the history, commit 3b0ff066.

-- 0001_start
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
-- 0002_lookup
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
CREATE TABLE pieces (
    first_turn INTEGER PRIMARY KEY REFERENCES turns (id),
    vectors    BLOB NOT NULL
);
CREATE TABLE staged_vectors (
    embedder TEXT NOT NULL,
    turn_id  INTEGER NOT NULL REFERENCES turns (id),
    vector   BLOB NOT NULL,
    PRIMARY KEY (embedder, turn_id)
);
CREATE INDEX settings_by_name ON settings (name);
CREATE INDEX turns_by_session ON turns (session);
DROP TRIGGER turns_inserted;
DROP TABLE turns_fts;
DROP TABLE turn_vectors;
CREATE VIRTUAL TABLE turns_words USING fts5 (
    words, content = '', detail = 'none', columnsize = 0, tokenize = 'porter ascii'
);
INSERT INTO turns_words (turns_words, rank) VALUES ('pgsz', 500);
DROP TRIGGER facts_inserted;
DROP TRIGGER facts_updated;
DROP TRIGGER facts_deleted;
DROP TABLE facts_fts;
CREATE VIRTUAL TABLE facts_words USING fts5 (
    words, content = '', detail = 'none', columnsize = 0, tokenize = 'porter ascii'
);
CREATE TRIGGER facts_inserted AFTER INSERT ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id, NULL,
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_words (rowid, words)
    VALUES (new.id, words(new.subject || ' ' || new.attribute || ' ' || new.value));
END;
CREATE TRIGGER facts_updated AFTER UPDATE ON facts
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
-- 0003_everyday
CREATE INDEX turns_by_source ON turns (source) WHERE source <> '';
CREATE TABLE shown (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    times   INTEGER NOT NULL
);
CREATE INDEX changes_by_first_turn ON changes (first_turn);
CREATE INDEX staged_vectors_by_turn ON staged_vectors (turn_id);
-- 0004_facts_by_turn
CREATE INDEX facts_log_by_turn ON facts_log (json_extract(after, '$[6]'));
-- 0005_held_windows
ALTER TABLE pending ADD COLUMN statement TEXT NOT NULL DEFAULT '';
-- 0006_longest_fact
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
-- 0007_checksums
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
-- 0008_schema
CREATE TABLE tags (
    turn_id INTEGER NOT NULL REFERENCES turns (id),
    key     TEXT NOT NULL CHECK (key <> ''),
    value   TEXT NOT NULL CHECK (value <> ''),
    PRIMARY KEY (turn_id, key, value)
) WITHOUT ROWID;
CREATE INDEX tags_by_value ON tags (key, value, turn_id);
CREATE TABLE attributes (
    name           TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    other_names    TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('one value', 'many', 'event')),
    allowed_values TEXT NOT NULL,
    instruction    TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE entities (
    name        TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    description TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE aliases (
    name    TEXT NOT NULL CHECK (name <> ''),
    entity  TEXT NOT NULL CHECK (entity <> ''),
    turn_id INTEGER NOT NULL,
    PRIMARY KEY (name, entity, turn_id)
) WITHOUT ROWID;
CREATE INDEX aliases_by_entity ON aliases (entity);
CREATE INDEX aliases_by_turn ON aliases (turn_id);
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
ALTER TABLE facts ADD COLUMN entity TEXT;
ALTER TABLE facts ADD COLUMN value_entity TEXT;
CREATE INDEX facts_by_entity ON facts (entity, attribute);
CREATE INDEX facts_by_value_entity ON facts (value_entity) WHERE value_entity IS NOT NULL;
DROP TRIGGER facts_updated;
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
-- 0009_dates
CREATE TRIGGER inserted_fact_is_dated BEFORE INSERT ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        coalesce(new.happened_on, '') = ''
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (coalesce(new.ended_on, '') = '' OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;
CREATE TRIGGER updated_fact_is_dated
BEFORE UPDATE OF happened_on, ended_on, turn_id ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        coalesce(new.happened_on, '') = ''
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (coalesce(new.ended_on, '') = '' OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;
-- 0010_answers
CREATE TABLE answers (
    question    TEXT NOT NULL PRIMARY KEY CHECK (question <> ''),
    asker       TEXT NOT NULL,
    text        TEXT NOT NULL,
    turn_ids    TEXT NOT NULL,
    seen       TEXT NOT NULL,
    model       TEXT NOT NULL,
    answered_at TEXT NOT NULL,
    last_turn   INTEGER NOT NULL,
    last_change INTEGER NOT NULL
) WITHOUT ROWID;
-- 0011_contradictions
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
-- 0012_summaries
CREATE TABLE summaries (
    turn_id      INTEGER NOT NULL,
    last_turn_id INTEGER NOT NULL CHECK (last_turn_id >= turn_id),
    kind         TEXT NOT NULL CHECK (kind IN ('session', 'month')),
    summary      TEXT NOT NULL,
    PRIMARY KEY (turn_id, last_turn_id, kind)
) WITHOUT ROWID;
-- 0013_work
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
-- 0014_templates_additive
ALTER TABLE attributes ADD COLUMN templates TEXT NOT NULL DEFAULT '{}';
-- 0015_without_answers
DROP TABLE answers;
-- 0016_one_spelling
DROP TRIGGER facts_updated;
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
DROP TRIGGER inserted_fact_is_dated;
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
DROP TRIGGER updated_fact_is_dated;
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
