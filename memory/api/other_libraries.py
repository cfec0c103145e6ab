"""The words of mem0, Zep, LangMem and other libraries: what runs here, or what to write instead.

Tables alone decide. A keyword runs by another name, has no effect, or is answered in a line; a
method is answered in a line, whose code a test runs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memory.api.other_filters import own_filters
from memory.errors import InputError


@dataclass(frozen=True)
class Runs:
    """A keyword of ours by another name; with `within`, a key of this keyword's object."""

    keyword: str
    within: str = ""


@dataclass(frozen=True)
class NoEffect:
    """A keyword that changes nothing here: with any value, or with one of `values`.

    `otherwise` is what to write for another value.
    """

    values: tuple[Any, ...] = ()
    otherwise: str = ""


@dataclass(frozen=True)
class Write:
    """What to write instead of a keyword: code, or a keyword, with a reason."""

    advice: str


@dataclass(frozen=True)
class LeaveOut:
    """A keyword to leave out, and why."""

    why: str


Rule = Runs | NoEffect | Write | LeaveOut

_USER = Write("user_id=user_id: each user has a memory")
_VOCABULARY = LeaveOut("a vocabulary says which facts there are (docs/guides/vocabulary.md)")
_NO_CHOICE: dict[str, Rule] = dict.fromkeys(
    ("async_mode", "output_format", "version", "enable_graph"), NoEffect()
)
_TAGS = {"agent_id": "agent_id", "app_id": "app_id"}

# What every call answers, where its own table says nothing else.
COMMON: dict[str, Rule] = {
    **dict.fromkeys(
        ("bank_id", "group_id", "graph_id", "namespace", "container_tag", "peer_id"), _USER
    ),
    "container_tags": _USER,
    "group_ids": Write("Memory.over(group_ids).search(query)"),
    **dict.fromkeys(("org_id", "project_id", "api_key"), LeaveOut("the memory is on this machine")),
    **dict.fromkeys(("memory_id", "id"), Runs("turn_id")),
    **dict.fromkeys(("user", "userId"), Runs("user_id")),
}
ADD: dict[str, Rule] = {
    **dict.fromkeys(
        ("messages", "data", "content", "text", "memory", "episode_body"), Runs("turns")
    ),
    **dict.fromkeys(("session_id", "thread_id"), Runs("run_id")),
    "app_id": Runs("metadata", within="app_id"),
    **dict.fromkeys(("timestamp", "created_at", "reference_time", "date"), Runs("said_at")),
    "role": Runs("speaker"),
    "ttl": Write('expires="7d", or a date'),
    **dict.fromkeys(("ids", "documents", "embeddings"), Write("memory.add(text): add numbers it")),
    "infer": NoEffect(
        (False, None), "memory.digest(user_id=user_id) after add, which asks no model"
    ),
    **_NO_CHOICE,
    "expiration_date": Runs("expires"),
    **dict.fromkeys(
        (
            *("prompt", "custom_instructions", "agent_custom_instructions", "custom_categories"),
            *("structured_data_schema", "includes", "excludes", "memory_type"),
        ),
        _VOCABULARY,
    ),
    "expires_at": Runs("expires"),
    "metadatas": Write('metadata={"topic": "sport"}, which all turns of a call get'),
    "immutable": LeaveOut("turns never change"),
    "document_id": Write('memory.add(text, source="note 1"); each source is stored once'),
    "context": Write('metadata={"context": context}'),
    "source_description": Write('metadata={"source_description": source_description}'),
}
SEARCH: dict[str, Rule] = {
    **dict.fromkeys(("top_k", "num_results", "n", "n_results"), Runs("limit")),
    "where": Runs("filters"),
    "query_texts": Write("memory.search(query) for each"),
    **dict.fromkeys(("q", "question", "text"), Runs("query")),
    **dict.fromkeys(("run_id", "session_id", "thread_id"), Runs("filters", within="session")),
    **{name: Runs("filters", within=key) for name, key in _TAGS.items()},
    "metadata": Runs("filters", within="metadata"),
    "start_date": Runs("filters", within="since"),
    "end_date": Runs("filters", within="until"),
    **_NO_CHOICE,
    **dict.fromkeys(
        ("keyword_search", "filter_memories", "show_expired", "explain", "include"), NoEffect()
    ),
    **dict.fromkeys(
        ("rerank", "reranking", "reranker"),
        NoEffect(
            (False, None), 'Memory(reranker="cohere/rerank-v3.5"), which reranks every search'
        ),
    ),
    **dict.fromkeys(
        ("threshold", "min_score", "score_threshold", "min_rating"),
        LeaveOut("scores have no fixed scale; take fewer turns by limit="),
    ),
    "latest_only": Write("memory.facts(query, user_id=user_id): what is true now"),
    "fields": LeaveOut("a hit has all fields"),
    "categories": Write('filters={"tags": {"category": categories}}, of tags that you gave'),
    "reference_date": Write("memory.ask(question, now=reference_date, user_id=user_id)"),
    "page": Write("memory.search(query, limit=page * size, user_id=user_id)[(page - 1) * size :]"),
    "page_size": Runs("limit"),
    "max_tokens": Write("memory.context(query, budget=max_tokens, user_id=user_id).text"),
    "scope": Write("memory.facts(query, user_id=user_id)"),
    **dict.fromkeys(
        ("search_type", "fetch_k", "lambda_mult", "mode", "alpha"),
        LeaveOut("there is one ranking, by words and meaning"),
    ),
    "where_document": Write(
        "memory.of(user_id).read(\"SELECT * FROM turns WHERE text LIKE '%cat%'\").rows"
    ),
    "search_filter": Write('filters={"speaker": "Anna", "tags": {"category": "hobby"}}'),
}
GET_ALL: dict[str, Rule] = {
    **dict.fromkeys(("top_k", "lastn"), Runs("limit")),
    **dict.fromkeys(("session_id", "thread_id"), Runs("run_id")),
    "app_id": Runs("filters", within="app_id"),
    "metadata": Runs("filters", within="metadata"),
    "start_date": Runs("filters", within="since"),
    "end_date": Runs("filters", within="until"),
    **_NO_CHOICE,
    **dict.fromkeys(("show_expired", "include"), NoEffect()),
    "where": Runs("filters"),
    "latest_only": Write("memory.facts(user_id=user_id): what is true now"),
    "fields": LeaveOut("a turn has all fields"),
    "categories": Write('filters={"tags": {"category": categories}}, of tags that you gave'),
    **dict.fromkeys(
        ("page", "page_size"),
        Write("memory.get_all(user_id=user_id)[(page - 1) * size : page * size]"),
    ),
}
_FORGET_TAGGED = Write(
    "memory.forget([turn.id for turn in memory.get_all(user_id=user_id,"
    ' filters={"tags": {"category": "hobby"}})], user_id=user_id)'
)
DELETE_ALL: dict[str, Rule] = {
    **dict.fromkeys(("session_id", "thread_id"), Runs("run_id")),
    **dict.fromkeys(("metadata", "app_id", "categories"), _FORGET_TAGGED),
    **_NO_CHOICE,
}
GET: dict[str, Rule] = {
    "ids": Write("[memory.get(turn_id, user_id=user_id) for turn_id in turn_ids]"),
    **dict.fromkeys(
        ("where", "filter", "filters"),
        Write('memory.get_all(user_id=user_id, filters={"tags": {"category": "hobby"}})'),
    ),
    "limit": Write("memory.get_all(user_id=user_id, limit=5)"),
    "input": Write("memory.context(message, user_id=user_id)"),
    "include": NoEffect(),
}
DELETE: dict[str, Rule] = {
    "ids": Write("memory.forget(turn_ids, user_id=user_id)"),
    **dict.fromkeys(("where", "filter", "filters"), _FORGET_TAGGED),
    **_NO_CHOICE,
}
OPENING: dict[str, Rule] = {
    "api_key": LeaveOut("the memory is on this machine; a model's key is in its environment"),
    "host": LeaveOut("the memory is on this machine"),
    "base_url": Runs("api_base"),
    **dict.fromkeys(("org_id", "project_id", "version"), NoEffect()),
    "user_id": Write("memory.of(user_id), or user_id= in each call"),
    "workspace_id": Write("Memory(workspace_id)"),
    "llm": Write('model="openai/gpt-4o-mini"'),
    **dict.fromkeys(
        ("path", "db", "url", "name", "db_path", "filename", "database", "connection_string"),
        Runs("store"),
    ),
    "embedding_model": Runs("embedder"),
    **dict.fromkeys(
        (
            *("vector_store", "graph_store", "collection_name", "history_db_path"),
            *("persist_directory", "persist_dir", "table_name"),
        ),
        LeaveOut("memories are files in MEMORY_HOME, or rows of Postgres"),
    ),
    **dict.fromkeys(
        ("embedding", "embedding_function", "embeddings", "embed_model"),
        LeaveOut("the packaged embedder needs none, and embedder= takes another's name"),
    ),
    "session_id": Write("Memory(session_id), or run_id= in each call"),
    **dict.fromkeys(("token_limit", "max_token_limit", "max_tokens"), Runs("budget")),
    **dict.fromkeys(
        ("return_messages", "memory_key", "input_key", "output_key", "chat_memory"),
        LeaveOut("memory.context(message).text goes into any prompt"),
    ),
}
_TURNS = "memory.search({}, limit=5, user_id=user_id): the turns, without an answer"
_COUNTS = ("limit", "top_k", "k", "num_results")
THREAD: dict[str, Rule] = dict.fromkeys(("session_id", "thread_id"), Runs("session"))
_READ = 'memory.of(user_id).read("SELECT * FROM turns").rows'
# The calls whose keywords differ from COMMON.
KEYWORDS: dict[str, dict[str, Rule]] = {
    "Memory": OPENING,
    "add": ADD,
    "search": SEARCH,
    "get_all": GET_ALL,
    "get": GET,
    "delete": DELETE,
    "read": {
        **dict.fromkeys(("user_id", "user"), Write(f"{_READ}: each user has a memory")),
        **dict.fromkeys(("query", "q"), Runs("sql")),
        **dict.fromkeys(
            ("params", "parameters", "args"), LeaveOut("write the values into the SELECT")
        ),
    },
    "delete_all": DELETE_ALL,
    "context": {
        **THREAD,
        "min_rating": LeaveOut("budget= says how much is shown"),
        "max_tokens": Runs("budget"),
        **dict.fromkeys(
            _COUNTS, Write("memory.context(query, budget=400, user_id=user_id).text, in tokens")
        ),
    },
    "ask": {
        **dict.fromkeys(("query", "q"), Runs("question")),
        "reference_date": Runs("now"),
        "model": Write('Memory(model="openai/gpt-4o-mini"), which every call asks'),
        "stream": LeaveOut("an answer comes whole; memory.reply streams"),
        **dict.fromkeys(("session_id", "thread_id", "run_id"), LeaveOut("all threads are asked")),
        **dict.fromkeys(_COUNTS, Write(_TURNS.format("question"))),
        **dict.fromkeys(
            ("filters", "filter"),
            Write(
                "memory.ask(question, user_id=user_id), or the turns alone by"
                ' memory.search(question, filters={"speaker": "Anna"}, user_id=user_id)'
            ),
        ),
    },
    "facts": dict.fromkeys(("query", "q", "search_query", "subject"), Runs("about")),
    "digest": {"model": Write('Memory(model="openai/gpt-4o-mini"), which every call asks')},
}
# The calls that take filters, and the calls that take only a filter's ids.
_FILTERED = ("search", "get_all")
_WITH_IDS = ("add", "delete_all")

# What to write for a method or an attribute, in code that runs where `memory`, `user_id`,
# `turn_id`, `fact_id`, `message`, `query` and so on are what their names say.
_BEGINS = "memory.add(messages, user_id=user_id): a user's memory begins with the first turn"
_THREADS = "sorted({turn.session for turn in memory.get_all(user_id=user_id)})"
_STORE = 'MemoryStore("anna.db"): `from memory.frameworks.langgraph_store import MemoryStore`'
_SESSION = (
    'MemorySession("anna.db", session_id): `from memory.frameworks.openai_agents import'
    " MemorySession`"
)
_NAMESPACES = "`from memory.store import namespaces`"
_FACTS = "`from memory import facts`"
_TOOLS = "memory_tools(memory.of(user_id)): `from memory import memory_tools`"
_NOTHING = "nothing: leave the call out"
_ADD = "memory.add(text, user_id=user_id)"
_SEARCH = "memory.search(query, user_id=user_id, limit=5)"
_ALL = "memory.get_all(user_id=user_id)"
_CONTEXT = "memory.context(message, user_id=user_id)"
_ANSWER = "memory.ask(question, user_id=user_id).text"
_DUMP = "[*memory.of(user_id).store.dump()]"
_DIGEST = "memory.add(messages, user_id=user_id), then memory.digest(user_id=user_id)"
_NEW_FACT = (
    "facts.add(memory.of(user_id).store, subject=subject, attribute=attribute, value=value):"
    f" {_FACTS}"
)
_OTHER_VALUE = (
    "facts.supersede(memory.of(user_id).store, fact_id, value) for what has changed, and"
    f" facts.correct(memory.of(user_id).store, fact_id, value=value) for what was wrong: {_FACTS}"
)
_NAMES = f"namespaces.names(): {_NAMESPACES}"
_BLOCK = 'memory.add(value, user_id=user_id, tags={"block": label})'
_BLOCK_READ = (
    '[turn.text for turn in memory.get_all(user_id=user_id, filters={"tags": {"block":'
    " label}})][-1:]"
)
_SUMMARIES = "memory.of(user_id).store.summaries()"
# Our own calls, as they are written.
OWN: dict[str, str] = {
    "add": _ADD,
    "search": _SEARCH,
    "ask": _ANSWER,
    "context": _CONTEXT,
    "facts": "memory.facts(user_id=user_id)",
    "get_all": _ALL,
    "get": f"memory.get(turn_id, user_id=user_id) for one turn, or {_ALL} for all",
    "forget": "memory.forget(turn_ids, user_id=user_id)",
    "delete": "memory.delete(turn_id, user_id=user_id)",
    "delete_all": "memory.delete_all(user_id)",
    "undo": "memory.undo(user_id=user_id)",
    "changes": "memory.changes(user_id=user_id)",
    "digest": "memory.digest(user_id=user_id)",
    "read": _READ,
    "of": "memory.of(user_id)",
    "users": "memory.users()",
}
# Words that people try in any library.
_USUAL: dict[str, tuple[str, ...]] = {
    _ADD: (
        *("remember", "memorize", "insert", "append", "push", "write", "ingest", "log", "upsert"),
        *("add_text", "add_memory", "add_note", "add_document", "from_texts", "from_documents"),
        *("insert_archival_memory", "insert_nodes", "add_nodes", "insert_all", "refresh_ref_docs"),
        "sources.create",
    ),
    "memory.add(messages, user_id=user_id)": (
        *("add_message", "add_conversation", "add_turn", "add_turns", "put_messages"),
        *("aput_messages", "record_messages", "write_documents", "from_messages"),
        *("chat_memory.add_user_message", "chat_memory.add_ai_message", "chat_memory.add_message"),
    ),
    _SEARCH: (
        *("retrieve", "find", "lookup", "fetch", "get_relevant_documents"),
        *("search_memory", "search_memories", "semantic_search", "embedding_retrieval"),
        *("bm25_retrieval", "max_marginal_relevance_search", "invoke_retriever"),
        *("similarity_search_by_vector", "similarity_search_with_relevance_scores"),
        *("hybrid_search", "vector_search", "text_search", "document.search", "group.search"),
    ),
    _ALL: (
        *("all", "items", "list", "turns", "messages", "list_memories", "peek"),
        *("get_memories", "get_messages", "filter_documents", "load_messages"),
        *("get_archival_memory", "chat_memory.messages", "iterator", "scroll"),
    ),
    _CONTEXT: (
        *("get_context", "build_context", "as_context", "to_prompt", "inject", "load_memory"),
        *("buffer", "buffer_as_str", "memory_variables", "pretty_print", "get_prompt"),
    ),
    _ANSWER: (
        *("answer", "complete", "generate", "run", "ask_question", "as_query_engine"),
        *("as_chat_engine", "responses.create"),
    ),
    "memory.facts(user_id=user_id)": ("get_facts", "list_facts", "triples", "get_profile"),
    _NEW_FACT: ("add_fact", "add_facts", "remember_fact"),
    _OTHER_VALUE: ("edit", "replace", "modify", "revise", "update_memory", "update_fact", "fix"),
    f"facts.remove(memory.of(user_id).store, fact_id): {_FACTS}": ("delete_fact", "remove_fact"),
    "memory.undo(user_id=user_id)": ("revert", "rollback", "restore_previous"),
    "memory.undo(user_id=user_id), which undoes an undo, too": ("redo",),
    "memory.forget(turn_ids, user_id=user_id)": (
        *("remove", "erase", "delete_memory", "delete_memories", "delete_documents"),
        *("delete_messages", "delete_ref_doc", "delete_nodes", "delete_by_ids"),
    ),
    "[memory.get(turn_id, user_id=user_id) for turn_id in turn_ids]": ("get_by_ids", "get_nodes"),
    "memory.delete_all(user_id)": (
        *("clear", "wipe", "purge", "drop", "empty", "delete_user", "delete_collection"),
        *("delete_agent", "delete_index", "chat_memory.clear", "agents.delete"),
    ),
    "memory.delete_all(user_id), then memory.add(messages, user_id=user_id)": ("set",),
    f"{_SEARCH}, or SQL by {_READ}": ("query",),
    _READ: (
        *("execute", "executescript", "sql", "cursor", "conn", "connection", "table", "tables"),
        *("table_names", "schema", "rows_where"),
    ),
    _NAMES: ("list_collections", "list_agents", "list_users", "agents.list"),
    "len(memory.of(user_id))": ("count", "size", "length", "count_documents"),
    f"namespaces.summary(user_id): {_NAMESPACES}": (
        *("stats", "info", "describe", "agents.retrieve", "get_user"),
    ),
    _BEGINS: ("create_agent", "create_user", "add_user", "document.add_collection", "group.add"),
    _BLOCK: ("create_block", "update_block", "update_block_value"),
    _BLOCK_READ: ("get_block", "list_blocks"),
    'Memory(model="openai/gpt-4o-mini")': ("llm", "config", "set_model"),
    "memory.close()": ("close_all", "disconnect", "shutdown"),
    _THREADS: ("sessions", "threads", "list_sessions", "get_sessions", "list_threads"),
    "memory.of(user_id)": (
        *("for_user", "with_user", "as_user", "set_user", "collection", "get_collection"),
        *("create_collection", "get_or_create_collection"),
    ),
    'Memory("anna.db"), which opens it': ("load", "open", "connect", "from_file", "load_local"),
    'Memory("alice"), which goes on where the last program stopped': ("from_defaults",),
    f"{_NOTHING}, as each is on disk when it returns": (
        *("save", "commit", "flush", "persist", "sync", "save_local", "save_to_disk"),
    ),
    f"{_NOTHING}, as add and search embed": (
        *("embed", "embed_query", "embed_documents", "embedding_model", "embeddings"),
    ),
    f"{_NOTHING}, as a memory keeps its indexes itself": (
        *("heartbeat", "vacuum", "enable_fts", "create_index", "vector_store", "storage_context"),
    ),
    _DUMP: ("export", "dump", "to_list", "to_json", "export_json", "export_memories"),
    "[turn.to_dict() for turn in memory.get_all(user_id=user_id)]": (
        *("to_dict", "model_dump", "dict", "json", "to_pandas", "to_df"),
    ),
    "memory.of(user_id).store.backup(path)": (
        *("backup", "snapshot", "copy", "clone", "graph.clone"),
    ),
    _SUMMARIES: (
        *("summary", "summarize", "summaries", "predict_new_summary", "moving_summary_buffer"),
    ),
    "memory.digest(user_id=user_id)": ("consolidate", "compact", "extract", "distill", "process"),
    f"{_TOOLS}, for an agent": ("as_tool", "as_tools", "tools", "get_tools", "bind_tools"),
    "set_tags(memory.of(user_id).store, [turn_id], metadata):"
    " `from memory.store.turns.tags import set_tags`": (
        *("tag", "set_tags", "add_tags", "set_metadata", "update_metadata"),
    ),
    # OpenAI's Assistants
    "memory.add(messages, user_id=user_id, run_id=thread_id), and memory.context(message,"
    " user_id=user_id, run_id=thread_id)": ("beta.threads", "beta.assistants"),
    _SEARCH + " ": ("vector_stores.search",),
    _ADD + " ": ("vector_stores.create",),
}
METHODS: dict[str, str] = {
    **{name: line.strip() for line, names in _USUAL.items() for name in names},
    # mem0
    "update": (
        "[facts.supersede(memory.of(user_id).store, fact.id, text) for fact in"
        " memory.facts(user_id=user_id) if fact.turn_id == turn_id]: the facts of a turn, which"
        f" itself never changes, {_FACTS}; or, for metadata,"
        " set_tags(memory.of(user_id).store, [turn_id], metadata):"
        " `from memory.store.turns.tags import set_tags`"
    ),
    "history": (
        "[edit for fact in memory.facts(user_id=user_id, ended=True) if fact.turn_id == turn_id"
        f" for edit in facts.history(memory.of(user_id).store, fact.id)]: {_FACTS}"
    ),
    "reset": f"[namespaces.delete(name) for name in namespaces.names()]: {_NAMESPACES}",
    "delete_users": "memory.delete_all(user_id)",
    "chat": _ANSWER,
    "batch_delete": "memory.forget(turn_ids, user_id=user_id)",
    "batch_update": (
        f"facts.supersede(memory.of(user_id).store, fact_id, value) for each: {_FACTS}"
    ),
    "feedback": f"facts.correct(memory.of(user_id).store, fact_id, value=value): {_FACTS}",
    **dict.fromkeys(("create_memory_export", "get_memory_export"), _DUMP),
    "get_summary": _SUMMARIES,
    "project": f"{_NOTHING}; a vocabulary says which facts there are (docs/guides/vocabulary.md)",
    **dict.fromkeys(
        ("get_webhooks", "create_webhook", "update_webhook", "delete_webhook"),
        f"{_NOTHING}; `memory serve worker` sends changes to an address",
    ),
    # Zep
    "user.add": _BEGINS,
    "user.update": _NOTHING,
    "user.get": f"namespaces.summary(user_id): {_NAMESPACES}",
    "user.delete": "memory.delete_all(user_id)",
    "user.list_ordered": _NAMES,
    "user.get_threads": _THREADS,
    "user.get_sessions": _THREADS,
    "user.get_facts": "memory.facts(user_id=user_id)",
    "thread.create": "memory.add(messages, user_id=user_id, run_id=thread_id): it begins a thread",
    "thread.add_messages": "memory.add(messages, user_id=user_id, run_id=thread_id)",
    "thread.add_messages_batch": "memory.add(messages, user_id=user_id, run_id=thread_id)",
    "thread.get_user_context": (
        "memory.context(message, user_id=user_id, run_id=thread_id).text, with the last message"
    ),
    "thread.get_context": (
        "memory.context(message, user_id=user_id, run_id=thread_id).text, with the last message"
    ),
    "thread.get": "memory.get_all(user_id=user_id, run_id=thread_id, limit=5)",
    "thread.delete": "memory.delete_all(user_id, run_id=thread_id)",
    "thread.list_all": _THREADS,
    "graph.add": "memory.add(text, user_id=user_id, said_at=created_at)",
    "graph.add_batch": "memory.add(messages, user_id=user_id)",
    "graph.search": (
        "memory.facts(query, user_id=user_id) for edges, and"
        " memory.search(query, user_id=user_id) for episodes"
    ),
    "graph.delete": "memory.delete_all(user_id)",
    "graph.node": 'memory.of(user_id).read("SELECT DISTINCT subject FROM facts").rows',
    "graph.edge": "memory.facts(user_id=user_id)",
    "graph.episode": _ALL,
    "graph.add_fact_triple": _NEW_FACT,
    "graph.create": _BEGINS,
    "graph.set_ontology": f"{_NOTHING}; a vocabulary says which facts there are",
    "memory.add": "memory.add(messages, user_id=user_id, run_id=session_id)",
    "memory.add_session": "memory.add(messages, user_id=user_id, run_id=session_id)",
    "memory.get": "memory.context(message, user_id=user_id, run_id=session_id).text",
    "memory.search": "memory.search(query, user_id=user_id)",
    "memory.search_sessions": "memory.search(query, user_id=user_id)",
    "memory.search_memory": "memory.search(query, user_id=user_id)",
    "memory.get_session": "memory.get_all(user_id=user_id, run_id=session_id)",
    "memory.list_sessions": _THREADS,
    "memory.synthesize_question": _ANSWER,
    "memory.delete": "memory.delete_all(user_id, run_id=session_id)",
    "memory.get_session_messages": "memory.get_all(user_id=user_id, run_id=session_id)",
    # Graphiti
    "add_episode": "memory.add(text, user_id=group_id, said_at=created_at)",
    "add_episode_bulk": "memory.add(messages, user_id=group_id)",
    "add_triplet": (
        "facts.add(memory.of(group_id).store, subject=subject, attribute=attribute, value=value):"
        f" {_FACTS}"
    ),
    "retrieve_episodes": "memory.get_all(user_id=group_id, limit=5)",
    "build_indices_and_constraints": _NOTHING,
    # LangMem
    **dict.fromkeys(("invoke", "ainvoke", "submit"), _DIGEST),
    # The store of LangGraph
    **dict.fromkeys(
        (
            *("aget", "adelete", "batch", "abatch", "asearch"),
            *("list_namespaces", "alist_namespaces"),
        ),
        _STORE,
    ),
    # LlamaIndex's memory has it as well
    "put": f"{_ADD}, or for LangGraph {_STORE}",
    "aput": f"{_ADD}, or for LangGraph {_STORE}",
    # The session of the Agents SDK
    **dict.fromkeys(("get_items", "add_items", "pop_item", "clear_session"), _SESSION),
    # LangChain
    **dict.fromkeys(
        ("similarity_search", "similarity_search_with_score", "as_retriever"),
        _SEARCH,
    ),
    **dict.fromkeys(
        ("add_messages", "aadd_messages", "add_user_message", "add_ai_message", "save_context"),
        "memory.add(messages, user_id=user_id)",
    ),
    **dict.fromkeys(("add_texts", "add_documents"), _ADD),
    "load_memory_variables": "memory.context(message, user_id=user_id).text",
    # Letta
    "agents.create": _BEGINS,
    "agents.blocks": (
        '[turn.text for turn in memory.get_all(user_id=agent_id, filters={"tags": {"block":'
        ' label}})][-1:] to read one, and memory.add(value, user_id=agent_id, tags={"block":'
        " label}) to write it"
    ),
    "blocks.create": _BLOCK,
    "blocks.retrieve": _BLOCK_READ,
    "agents.passages": (
        "memory.add(text, user_id=agent_id, said_at=created_at) to create one,"
        " memory.search(query, 3, user_id=agent_id), memory.get_all(user_id=agent_id), and"
        " memory.delete(turn_id, user_id=agent_id)"
    ),
    "agents.archives": "memory.add(text, user_id=agent_id, said_at=created_at)",
    "send_message": (
        "memory.add(messages, user_id=agent_id), then memory.ask(question, user_id=agent_id).text"
    ),
    "agents.messages": (
        "memory.add(messages, user_id=agent_id), then memory.ask(question, user_id=agent_id).text"
    ),
    **dict.fromkeys(
        (
            *("core_memory_append", "core_memory_replace", "archival_memory_insert"),
            *("archival_memory_search", "conversation_search"),
        ),
        f"{_TOOLS}, for an agent",
    ),
    # Supermemory
    "search.memories": _SEARCH,
    "search.documents": _SEARCH,
    "search.execute": _SEARCH,
    "memories.add": _ADD,
    "documents.add": _ADD,
    "profile": "memory.facts(user_id=user_id)",
    # Honcho
    "peer": (
        'memory.add([{"role": "user", "name": peer_id, "content": text}]),'
        " memory.ask(question, asker=peer_id).text, and"
        ' memory.search(query, filters={"speaker": peer_id})'
    ),
    "session": (
        "memory.add(messages, run_id=session_id), and"
        " memory.context(message, run_id=session_id, budget=400).text"
    ),
    # Hindsight
    "create_bank": _BEGINS,
    "retain": _ADD,
    "retain_batch": "memory.add(messages, user_id=user_id)",
    "recall": "memory.search(query, user_id=user_id)",
    "reflect": _ANSWER,
}
# What people import.
_MEMORY = "Memory(): `from memory import Memory`"
_MODEL = 'Memory(model="openai/gpt-4o-mini"): `from memory import Memory`'
_TOOLS_OF_LANGMEM = (
    "memory_tools(memory.of(user_id)): `from memory import memory_tools`. LangMem's own tools also"
    f" run, with store={_STORE}"
)
IMPORTS: dict[str, str] = {
    **dict.fromkeys(
        (
            *("MemoryClient", "Zep", "Graphiti", "Hindsight", "HindsightClient", "Letta"),
            *("Supermemory", "Honcho", "ChatMemory", "ChatMemoryBuffer", "Client", "Collection"),
            *("ConversationBufferMemory", "PersistentClient", "VectorStore", "MemoryManager"),
        ),
        _MEMORY,
    ),
    "MemoryConfig": _MODEL,
    **dict.fromkeys(
        ("AsyncMemoryClient", "AsyncZep", "AsyncLetta", "AsyncSupermemory"),
        "AsyncMemory(): `from memory import AsyncMemory`",
    ),
    "Message": (
        'Turn("user", text): `from memory import Turn`, or {"role": "user", "content": text}'
    ),
    "namespaces": f"namespaces.names(): {_NAMESPACES}",
    "set_tags": (
        "set_tags(memory.of(user_id).store, [turn_id], metadata): `from memory.store.turns.tags "
        "import"
        " set_tags`"
    ),
    "create_manage_memory_tool": _TOOLS_OF_LANGMEM,
    "create_search_memory_tool": _TOOLS_OF_LANGMEM,
    **dict.fromkeys(
        (
            *("create_memory_manager", "create_memory_store_manager", "create_thread_extractor"),
            *("ReflectionExecutor",),
        ),
        f"{_DIGEST}; `memory serve worker` digests what waits",
    ),
    "create_memory_searcher": "memory.search(query, user_id=user_id)",
    "create_prompt_optimizer": "`uv run optimize.py`, which compiles prompts by DSPy",
    "MemoryStore": _STORE,
    "InMemoryStore": _STORE,
    "BaseStore": _STORE,
    "MemorySession": _SESSION,
    "SQLiteSession": _SESSION,
    "MemoryCallback": (
        'MemoryCallback("anna.db"): `from memory.frameworks.litellm_callback import MemoryCallback`'
    ),
}
# What the names of classes end with that people import, where no name above is theirs.
_ENDINGS = {
    **dict.fromkeys(
        (
            *("Memory", "Client", "Buffer", "Manager", "VectorStore", "Index", "Collection"),
            *("Engine", "Chain", "Retriever"),
        ),
        _MEMORY,
    ),
    **dict.fromkeys(("Config", "Settings"), _MODEL),
    **dict.fromkeys(("Store", "Saver"), _STORE),
    **dict.fromkeys(("Session", "History"), _SESSION),
    **dict.fromkeys(("Message", "Document", "Node", "Item", "Episode"), IMPORTS["Message"]),
    **dict.fromkeys(
        ("Reader", "Loader"), 'memory.add(text, source="note 1"): `memory import FILE`'
    ),
    "Block": _BLOCK,
}
# Providers whose names litellm writes otherwise than mem0.
_RERANKS = ("rerank", "reranking", "reranker")
_PROVIDERS = {
    "ollama": "ollama_chat",
    "azure_openai": "azure",
    "aws_bedrock": "bedrock",
    "together": "together_ai",
    "vllm": "hosted_vllm",
    "lmstudio": "lm_studio",
    "google": "gemini",
    "huggingface": "sentence-transformers",
}


def own_keywords(
    call: str, keywords: Mapping[str, Any], taken: Iterable[str], has_reranker: bool = False
) -> dict[str, Any]:
    """The keywords of a call by our names. Raises one InputError for all that we lack.

    Arguments:
        call: "Memory", "add", "search", ...
        taken: its own parameters' names.
        has_reranker: whether the memory has one, which then reranks in any case.
    """
    reader = _Keywords(call, tuple(taken), has_reranker)
    for keyword, value in keywords.items():
        reader.read(keyword, value)
    reader.read_filters()
    if reader.refused:
        raise InputError("; ".join(reader.refused))
    return reader.values


def refuse_namespace(call: str, values: Sequence[Any]) -> None:
    """Raise InputError if a call begins with a namespace, a tuple, as LangGraph's stores do."""
    if values and isinstance(values[0], tuple):
        raise InputError(f"{call} takes no namespace {values[0]!r:.60}; write {_STORE}")


class _Keywords:
    """The keywords of one call by our names, and what to write for the ones that we lack."""

    def __init__(self, call: str, taken: tuple[str, ...], has_reranker: bool) -> None:
        self._call, self._taken, self._has_reranker = call, taken, has_reranker
        self._rules = COMMON | KEYWORDS.get(call, {})
        self._filters: list[Any] = []
        self.values: dict[str, Any] = {}
        self.refused: list[str] = []

    def read(self, keyword: str, value: Any) -> None:
        if keyword == "filters" and self._call in (*_FILTERED, *_WITH_IDS):
            self._filters.append(value)
        elif keyword in self._taken:
            self._put(keyword, value)
        else:
            self._apply(self._rules.get(keyword), keyword, value)

    def _apply(self, rule: Rule | None, keyword: str, value: Any) -> None:
        match rule:
            case Runs("filters", key):
                self._filters.append({key: value} if key else value)
            case Runs(name, ""):
                self._put(name, value)
            case Runs(name, key):
                self.values[name] = {key: value, **(self.values.get(name) or {})}
            case NoEffect(values) if not values or value in values:
                pass
            case NoEffect() if keyword in _RERANKS and self._has_reranker:
                pass
            case NoEffect(_, otherwise):
                self._refuse(f"{keyword}={value!r:.40}", f"write {otherwise}")
            case Write(advice):
                self._refuse(f"{keyword}=", f"write {advice}")
            case LeaveOut(why):
                self._refuse(f"{keyword}=", f"leave it out: {why}")
            case _ if keyword == "config" and self._call == "Memory":
                self.refused.append(config_line("Memory", value))
            case _:
                listed = ", ".join(f"{name}=" for name in self._taken)
                self._refuse(f"{keyword}=", f"it takes {listed}")

    def _put(self, name: str, value: Any) -> None:
        if name not in self._taken:
            self._apply(None, name, value)
        elif name in self.values and self.values[name] is not None and value is not None:
            self.refused.append(f"{self._call} takes {name}= once")
        elif value is not None or name not in self.values:
            self.values[name] = value

    def _refuse(self, what: str, advice: str) -> None:
        self.refused.append(f"{self._call} takes no {what}; {advice}")

    def read_filters(self) -> None:
        """Put the filters of all keywords into one, and their ids into keywords."""
        filters = [part for part in self._filters if part is not None]
        if not filters:  # `filter` is ours, and has no other words
            return
        filters += [self.values.pop("filter")] if self.values.get("filter") else []
        if not all(isinstance(part, Mapping) for part in filters):  # a TurnFilter, or what is none
            self.values["filters"] = filters[0] if len(filters) == 1 else filters
            return
        result = own_filters({"AND": filters})
        self.refused += result.refused
        if "user_id" in result.ids:
            self._put_user(result.ids["user_id"])
        if self._call in _FILTERED:
            if result.values:
                self.values["filters"] = result.values
            return
        for name, value in _ids_of(result.values).items():
            if name in self._taken:
                self._put(name, value)
            else:
                self._refuse(f"filters of {name!r}", "filters choose turns to search or to list")

    def _put_user(self, user_id: Any) -> None:
        before = self.values.setdefault("user_id", user_id)
        if str(before) != str(user_id):
            self.refused.append(f"the user is {before!r} and, in filters, {user_id!r}; write one")


def _ids_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a filter says of a session and an agent, as keywords; the rest by its own keys."""
    keywords: dict[str, Any] = {}
    for key, value in values.items():
        if key == "session":
            keywords["run_id"] = value
        elif key == "tags":
            keywords |= {tag: condition.get("in") for tag, condition in value.items()}
        else:
            keywords[key] = value
    return keywords


# ---------------------------------------------------------------- methods, attributes, imports


def hint_of_import(name: str) -> str:
    """What to write for a name that people import from another library; "" for any other."""
    by_ending = (line for end, line in _ENDINGS.items() if name.endswith(end))
    return IMPORTS.get(name) or (next(by_ending, "") if name[:1].isupper() else "")


def hint_of_module(name: str) -> str:
    """How to go on where a memory's call, or any other name, is looked for in the package."""
    call = OWN.get(name) or METHODS.get(name)
    if call:
        return f"write `from memory import Memory`, memory = Memory(), then {call}"
    return "begin with Memory(), and see memory.__all__"


def config_line(owner: str, config: Any) -> str:
    """What to write for a configuration of mem0: its model and its reranker by their names here."""
    options = []
    for option, part in (("model", "llm"), ("reranker", "reranker")):
        if name := _model_of(_field(config, part)):
            options.append(f'{option}="{name}"')
    embedder = _model_of(_field(config, "embedder"))
    packaged = f', where embedder="{embedder}" would keep yours' if embedder else ""
    return (
        f"a configuration of mem0 is not taken; write {owner}({', '.join(options)}). The packaged"
        f" embedder needs no key{packaged}; vector_store goes away: memories are files in"
        " MEMORY_HOME, or rows of Postgres"
    )


def _model_of(part: Any) -> str:
    """litellm's name for the model in a part of mem0's configuration."""
    provider, config = _field(part, "provider"), _field(part, "config")
    model = _field(config, "model")
    if not isinstance(model, str) or not isinstance(provider, str):
        return ""
    provider = _PROVIDERS.get(provider, provider)
    return model if provider in ("litellm", "langchain") else f"{provider}/{model}"


def _field(part: object, name: str) -> Any:
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)


def is_config(options: object) -> bool:
    """Whether something is a configuration of mem0: a dict, or an object with a model."""
    return isinstance(options, Mapping) or _field(options, "llm") is not None


*_FIRST, _LAST = OWN
_CALLS = f"{', '.join(_FIRST)} and {_LAST}"


class _Answering(type):
    """Of classes that answer a method of another library with ours."""

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any:
            return _answer(cls.__name__, name) or type.__getattribute__(cls, name)


class AnswersOthersNames(metaclass=_Answering):
    """An AttributeError for a method of another library says what to write here."""

    @classmethod
    def from_config(
        cls, config: Any = None, *args: Any, config_dict: Any = None, **kwargs: Any
    ) -> Any:
        """Not here: raises InputError with the line to write instead of a configuration of mem0."""
        raise InputError(config_line(cls.__name__, config if config_dict is None else config_dict))

    if not TYPE_CHECKING:  # else mypy would find every name

        def __getitem__(self, key: Any) -> Any:
            kind = type(self).__name__
            table = f", or {_READ}" if isinstance(key, str) else ""
            raise TypeError(
                f"a {kind} has no [{key!r}]; write memory.get(turn_id) or memory.of(user_id){table}"
            )

        def __getattr__(self, name: str) -> Any:
            kind = type(self)
            if group := _answer(kind.__name__, name):
                return group
            if name.startswith("_") or hasattr(kind, name):  # a property, and what went wrong in it
                return object.__getattribute__(self, name)
            raise AttributeError(f"{kind.__name__} has no {name}; it has {_CALLS}")


class Group:
    """A group of another library's methods, such as `client.thread`: each is answered in a line."""

    def __init__(self, owner: str, path: str) -> None:
        self._owner, self._path = owner, path

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}"
        if name.startswith("__"):
            raise AttributeError(name)
        if group := _answer(self._owner, path):
            return group
        paths = ", ".join(key for key in METHODS if key.startswith(f"{self._path}."))
        raise AttributeError(
            f"{self._owner} has no {path}; docs/guides/other-libraries.md has {paths}"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._path in METHODS:
            raise AttributeError(_line(self._owner, self._path))
        first = next(key for key in METHODS if key.startswith(f"{self._path}."))
        raise AttributeError(_line(self._owner, first))


def groups_of(call: str) -> dict[str, Group]:
    """The methods that other libraries have on an attribute which is a method here: `search`."""
    names = [path.partition(".")[2] for path in METHODS if path.startswith(f"{call}.")]
    return {name: Group("Memory", f"{call}.{name}") for name in names}


def _answer(owner: str, path: str) -> Group | None:
    """The group of this name, None for a name of no other library.

    Raises AttributeError for a method.
    """
    if path in METHODS:
        raise AttributeError(_line(owner, path))
    if (
        owner == "Memory"
        and path.startswith("a")
        and (code := METHODS.get(path[1:], OWN.get(path[1:])))
    ):
        raise AttributeError(
            f"Memory has no {path}; write {awaited(code)} with memory = AsyncMemory():"
            " `from memory import AsyncMemory`"
        )
    is_group = any(key.startswith(f"{path}.") for key in METHODS)
    return Group(owner, path) if is_group else None


def _line(owner: str, path: str) -> str:
    code = METHODS[path]
    code = awaited(code) if owner == "AsyncMemory" else code
    return f"{owner} has no {path}; write {code}"


_CALL = re.compile(
    r"memory(\.of\(\w+\))?\.(add|search|ask|context|facts|get_all|forget|delete|delete_all|digest|read)\("
)


def awaited(code: str) -> str:
    """Code for a Memory, rewritten for an AsyncMemory."""
    written, last = "", 0
    for call in _CALL.finditer(code):
        if call.start() < last:
            continue  # inside a call that is written already
        end = _end_of_call(code, call.end())
        arguments = awaited(code[call.end() : end])
        written += f"{code[last : call.start()]}(await {call[0]}{arguments}"
        last = end
        written += ")"
    return written + code[last:]


def _end_of_call(code: str, start: int) -> int:
    """The position behind the bracket that closes the one before `start`."""
    depth = 1
    for position in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[position], 0)
        if not depth:
            return position + 1
    return len(code)
