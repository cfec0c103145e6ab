-- The story of a memory, a line for each run of turns; of kind 'month' for all lines of a month. An
-- empty text waits to be written anew: a fact of these turns was corrected, or a turn forgotten.
CREATE TABLE summaries (
    turn_id      INTEGER NOT NULL,
    last_turn_id INTEGER NOT NULL CHECK (last_turn_id >= turn_id),
    kind         TEXT NOT NULL CHECK (kind IN ('session', 'month')),
    summary      TEXT NOT NULL,
    PRIMARY KEY (turn_id, last_turn_id, kind)
) WITHOUT ROWID;
