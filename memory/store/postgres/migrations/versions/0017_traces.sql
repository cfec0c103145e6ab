-- Which turns and facts were in the block of a reply: their ids, and no text (turns/traces.py).
CREATE TABLE memory.traces (
    namespace   bigint NOT NULL,
    turn_id     bigint NOT NULL,
    shown_turns text COLLATE "C" NOT NULL,
    shown_facts text COLLATE "C" NOT NULL,
    left_out    bigint NOT NULL,
    PRIMARY KEY (namespace, turn_id),
    FOREIGN KEY (namespace, turn_id) REFERENCES memory.turns DEFERRABLE
);
REVOKE ALL ON memory.traces FROM PUBLIC;
