-- What search keeps of each turn: first in `recent`, later in blocks of many turns, which load at
-- once. Columns, codes and vectors are arrays (memory/search/turn_columns.py).
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
CREATE INDEX settings_by_name ON settings (name);

CREATE INDEX turns_by_session ON turns (session);

-- The words of turns and facts as memory.search.words splits them. English is stemmed here.
DROP TRIGGER turns_inserted;
DROP TABLE turns_fts;
DROP TABLE turn_vectors;
CREATE VIRTUAL TABLE turns_words USING fts5 (
    words, content = '', detail = 'none', columnsize = 0, tokenize = 'porter ascii'
);
-- FTS5 merges its lists while turns are added, so many pages at a time: with smaller pages no turn
-- waits long (6 ms instead of 28 at 100,000 turns), and a search reads less.
INSERT INTO turns_words (turns_words, rank) VALUES ('pgsz', 500);

DROP TRIGGER facts_inserted;
DROP TRIGGER facts_updated;
DROP TRIGGER facts_deleted;
DROP TABLE facts_fts;
CREATE VIRTUAL TABLE facts_words USING fts5 (
    words, content = '', detail = 'none', columnsize = 0, tokenize = 'porter ascii'
);
INSERT INTO facts_words (rowid, words)
SELECT id, words(subject || ' ' || attribute || ' ' || value) FROM facts;

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
