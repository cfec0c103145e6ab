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
