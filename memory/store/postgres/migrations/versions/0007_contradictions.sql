-- Facts that cannot both be true: as in SQLite, see memory/store/migrations/0011_contradictions.sql.
CREATE TABLE memory.contradictions (
    namespace   bigint NOT NULL,
    first_fact  bigint NOT NULL,
    second_fact bigint NOT NULL,
    first_turn  bigint NOT NULL,
    turn_id     bigint NOT NULL,
    settled     text COLLATE "C" NOT NULL CHECK (settled IN ('', 'first', 'second', 'both')),
    PRIMARY KEY (namespace, first_fact, second_fact)
);
CREATE INDEX contradictions_by_turn ON memory.contradictions (namespace, turn_id);
CREATE INDEX contradictions_by_first_turn ON memory.contradictions (namespace, first_turn);
CREATE INDEX contradictions_by_second_fact ON memory.contradictions (namespace, second_fact);

ALTER TABLE memory.contradictions ENABLE ROW LEVEL SECURITY;
CREATE POLICY reads ON memory.contradictions FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('r'));
CREATE POLICY journals ON memory.contradictions TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));
REVOKE ALL ON memory.contradictions FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON memory.contradictions TO "MODEL_ROLE";

CREATE VIEW memory_views.contradictions WITH (security_invoker = true) AS
    SELECT first_fact, second_fact, first_turn, turn_id, settled FROM memory.contradictions;
GRANT SELECT ON memory_views.contradictions TO "MODEL_ROLE";
