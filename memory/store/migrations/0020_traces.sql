-- Which turns and facts were in the block of a reply: their ids, and no text (turns/traces.py).
CREATE TABLE traces (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id), -- the reply
    shown_turns TEXT NOT NULL, -- ids, each between two blanks
    shown_facts TEXT NOT NULL,
    left_out INTEGER NOT NULL -- ids beyond the bound
);
