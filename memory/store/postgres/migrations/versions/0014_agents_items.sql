-- As memory/store/migrations/0018_agents_items_additive.sql does in a file.
INSERT INTO memory.tags (namespace, turn_id, key, value)
SELECT tags.namespace, tags.turn_id, 'openai-agents role', tags.value
FROM memory.tags JOIN memory.turns ON turns.namespace = tags.namespace AND turns.id = tags.turn_id
WHERE tags.key = 'role' AND turns.kind = 'message' AND turns.source = '' AND NOT EXISTS (
    SELECT 1 FROM memory.tags AS imported
    WHERE imported.namespace = tags.namespace AND imported.turn_id = tags.turn_id
        AND imported.key = 'imported_as'
)
ON CONFLICT DO NOTHING;

INSERT INTO memory.tags (namespace, turn_id, key, value)
SELECT turns.namespace, turns.id, 'openai-agents role', 'item'
FROM memory.turns
WHERE turns.kind = 'tool' AND turns.source = '' AND EXISTS (
    SELECT 1
    FROM memory.tags JOIN memory.turns AS message
        ON message.namespace = tags.namespace AND message.id = tags.turn_id
    WHERE tags.namespace = turns.namespace AND tags.key = 'openai-agents role'
        AND message.session = turns.session
)
ON CONFLICT DO NOTHING;
