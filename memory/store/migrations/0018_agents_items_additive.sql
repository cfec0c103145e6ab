-- An item of a session of the OpenAI Agents SDK is a turn with a tag that only the framework gives.
-- Its messages had the tag "role" before, and calls of tools had none. What an import or a request
-- with an id of its own brought is none.
INSERT OR IGNORE INTO tags (turn_id, key, value)
SELECT tags.turn_id, 'openai-agents role', tags.value
FROM tags JOIN turns ON turns.id = tags.turn_id
WHERE tags.key = 'role' AND turns.kind = 'message' AND turns.source = '' AND NOT EXISTS (
    SELECT 1 FROM tags AS imported
    WHERE imported.turn_id = tags.turn_id AND imported.key = 'imported_as'
);
INSERT OR IGNORE INTO tags (turn_id, key, value)
SELECT id, 'openai-agents role', 'item'
FROM turns
WHERE kind = 'tool' AND source = '' AND session IN (
    SELECT turns.session FROM tags JOIN turns ON turns.id = tags.turn_id
    WHERE tags.key = 'openai-agents role'
);
