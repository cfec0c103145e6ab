"""What a coding agent keeps between two sessions: your rules, and what its commands printed."""

from memory import Memory, memory_tools

RULE = {"speaker": "User", "text": "From now on never commit without asking me."}
TEST_RUN = {
    "name": "pytest",
    "arguments": '{"path": "tests/test_login.py"}',
    "result": "1 failed: test_logout_ends_the_session",
    "worked": False,
}

with Memory("shop.db") as memory:  # the first session
    tools = {tool.__name__: tool for tool in memory_tools(memory, session="first")}
    tools["remember"](turns=[RULE])
    tools["record_tool_use"](**TEST_RUN)

with Memory("shop.db") as memory:  # the next one
    print(memory.context("Which test of the login failed?", speaker="User").text)
