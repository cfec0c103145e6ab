-- What `memory worker` does for this memory, a row for each task: 'digest', 'refine', 'forget', 'feed'
-- and an address. It is no part of what the memory holds: dumps and copies leave it out. Times are
-- Unix seconds. `position` is the last change that an address was sent; `calls` and `tokens` are
-- those of the `day`.
CREATE TABLE work (
    task       TEXT NOT NULL PRIMARY KEY,
    served_at  REAL NOT NULL DEFAULT 0,
    due_at     REAL NOT NULL DEFAULT 0,
    held_by    TEXT NOT NULL DEFAULT '',
    held_until REAL NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    position   INTEGER NOT NULL DEFAULT 0,
    day        TEXT NOT NULL DEFAULT '',
    calls      INTEGER NOT NULL DEFAULT 0,
    tokens     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
