-- Questions kept with their answers. `turn_ids` are the turns that an answer cites and `seen` those
-- that its model saw, JSON arrays; `last_turn` and `last_change` are the newest when it was asked. An
-- answer that is empty is still to come, or was forgotten with a turn that it rests on.
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
