-- Questions kept with their answers: as in SQLite, see memory/store/migrations/0010_answers.sql. No
-- model reads or writes this table.
CREATE TABLE memory.answers (
    namespace   bigint NOT NULL,
    question    text COLLATE "C" NOT NULL CHECK (question <> ''),
    asker       text COLLATE "C" NOT NULL,
    text        text COLLATE "C" NOT NULL,
    turn_ids    text COLLATE "C" NOT NULL,
    seen       text COLLATE "C" NOT NULL,
    model       text COLLATE "C" NOT NULL,
    answered_at text COLLATE "C" NOT NULL,
    last_turn   bigint NOT NULL,
    last_change bigint NOT NULL,
    PRIMARY KEY (namespace, question)
);

REVOKE ALL ON memory.answers FROM PUBLIC;
