-- The story of a memory: as in SQLite, see memory/store/migrations/0012_summaries.sql.
CREATE TABLE memory.summaries (
    namespace    bigint NOT NULL,
    turn_id      bigint NOT NULL,
    last_turn_id bigint NOT NULL CHECK (last_turn_id >= turn_id),
    kind         text COLLATE "C" NOT NULL CHECK (kind IN ('session', 'month')),
    summary      text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, turn_id, last_turn_id, kind)
);

ALTER TABLE memory.summaries ENABLE ROW LEVEL SECURITY;
CREATE POLICY reads ON memory.summaries FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('r'));
CREATE POLICY journals ON memory.summaries TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));
REVOKE ALL ON memory.summaries FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON memory.summaries TO "MODEL_ROLE";

CREATE VIEW memory_views.summaries WITH (security_invoker = true) AS
    SELECT turn_id, last_turn_id, kind, summary FROM memory.summaries;
GRANT SELECT ON memory_views.summaries TO "MODEL_ROLE";
