-- What the turns of a block came to when they were stored; memory.store.integrity adds them up
-- again. A sum, because a turn that is forgotten can be taken off it.
CREATE TABLE checksums (
    block INTEGER PRIMARY KEY,
    turns INTEGER NOT NULL,
    total INTEGER NOT NULL
);
INSERT INTO checksums (block, turns, total)
SELECT id / 256, count(*),
       sum(turn_checksum(id, kind, session, speaker, text, said_at, source))
FROM turns GROUP BY id / 256;

CREATE TRIGGER turns_inserted AFTER INSERT ON turns
BEGIN
    INSERT INTO checksums (block, turns, total)
    VALUES (new.id / 256, 1,
            turn_checksum(new.id, new.kind, new.session, new.speaker, new.text, new.said_at,
                          new.source))
    ON CONFLICT (block) DO UPDATE SET turns = turns + 1, total = total + excluded.total;
END;

CREATE TRIGGER turns_deleted AFTER DELETE ON turns
BEGIN
    UPDATE checksums SET turns = turns - 1,
        total = total - turn_checksum(old.id, old.kind, old.session, old.speaker, old.text,
                                      old.said_at, old.source)
    WHERE block = old.id / 256;
    DELETE FROM checksums WHERE block = old.id / 256 AND turns = 0;
END;
