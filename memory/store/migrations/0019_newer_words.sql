-- Which later turns change what earlier ones say, found when they are added (memory/facts/newer_words.py).
CREATE TABLE newer_words (
    older_turn INTEGER NOT NULL REFERENCES turns,
    fact_id INTEGER NOT NULL, -- what of it is changed: a fact, or 0 for its own words
    newer_turn INTEGER NOT NULL REFERENCES turns,
    kind TEXT NOT NULL CHECK (kind IN ('changes', 'again')),
    chance INTEGER NOT NULL, -- in a hundred
    sentence TEXT NOT NULL, -- of the newer turn
    value TEXT NOT NULL, -- that it gives in place of the older one, or ''
    PRIMARY KEY (older_turn, fact_id, newer_turn)
);
CREATE INDEX newer_words_by_newer_turn ON newer_words (newer_turn);
-- The newest facts of a person, whom a new turn may change.
CREATE INDEX facts_newest_of_subject ON facts (subject);
-- Names in any case of ASCII, so that a name is looked up and not searched for in all rows.
CREATE INDEX facts_by_plain_subject ON facts (lower(trim(subject)));
CREATE INDEX facts_by_plain_entity ON facts (lower(entity));
CREATE INDEX facts_by_plain_value ON facts (lower(trim(value)));
CREATE INDEX aliases_by_plain_name ON aliases (lower(name));
CREATE INDEX aliases_by_plain_entity ON aliases (lower(entity));
CREATE INDEX entities_by_plain_name ON entities (lower(name));
CREATE INDEX speakers_by_plain_name ON speakers (lower(trim(name)));
