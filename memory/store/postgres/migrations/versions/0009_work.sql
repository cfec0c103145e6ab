-- What `memory worker` does for each memory: as in SQLite, see memory/store/migrations/0013_work.sql.
-- No model's SQL sees it: the second login has no rights here.
CREATE TABLE memory.work (
    namespace  bigint NOT NULL,
    task       text COLLATE "C" NOT NULL,
    served_at  double precision NOT NULL DEFAULT 0,
    due_at     double precision NOT NULL DEFAULT 0,
    held_by    text COLLATE "C" NOT NULL DEFAULT '',
    held_until double precision NOT NULL DEFAULT 0,
    failures   bigint NOT NULL DEFAULT 0,
    error      text COLLATE "C" NOT NULL DEFAULT '',
    position   bigint NOT NULL DEFAULT 0,
    day        text COLLATE "C" NOT NULL DEFAULT '',
    calls      bigint NOT NULL DEFAULT 0,
    tokens     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (namespace, task)
);
ALTER TABLE memory.work ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON memory.work FROM PUBLIC;
