-- Which later turns change what earlier ones say, found when they are added (memory/facts/newer_words.py).
CREATE TABLE memory.newer_words (
    namespace  bigint NOT NULL,
    older_turn bigint NOT NULL,
    fact_id    bigint NOT NULL,
    newer_turn bigint NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('changes', 'again')),
    chance     bigint NOT NULL,
    sentence   text COLLATE "C" NOT NULL,
    value      text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, older_turn, fact_id, newer_turn),
    FOREIGN KEY (namespace, older_turn) REFERENCES memory.turns DEFERRABLE,
    FOREIGN KEY (namespace, newer_turn) REFERENCES memory.turns DEFERRABLE
);
CREATE INDEX newer_words_by_newer_turn ON memory.newer_words (namespace, newer_turn);
REVOKE ALL ON memory.newer_words FROM PUBLIC;

-- The newest facts of a person, whom a new turn may change.
CREATE INDEX facts_newest_of_subject ON memory.facts (namespace, subject, id);
-- Names in any case of ASCII, so that a name is looked up and not searched for in all rows.
CREATE INDEX facts_by_plain_subject ON memory.facts (namespace, lower(trim(subject)));
CREATE INDEX facts_by_plain_entity ON memory.facts (namespace, lower(entity));
-- By a hash: a value may be longer than what a tree can hold.
CREATE INDEX facts_by_plain_value ON memory.facts USING hash (lower(trim(value)));
CREATE INDEX aliases_by_plain_name ON memory.aliases (namespace, lower(name));
CREATE INDEX aliases_by_plain_entity ON memory.aliases (namespace, lower(entity));
CREATE INDEX entities_by_plain_name ON memory.entities (namespace, lower(name));
CREATE INDEX speakers_by_plain_name ON memory.speakers (namespace, lower(trim(name)));
