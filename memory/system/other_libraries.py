"""What mem0, Zep, LangMem and Hindsight call things, and what to write here instead."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from memory.errors import InputError

_FIRST = "it as the first argument, without a name"
_LEAVE = "leave it out: "
_USER = "user_id=: each user has a namespace"
_ONE_RANKING = f"{_LEAVE}one ranking has words, meaning, names and dates"

# Each keyword -> what to write in `add`, and in the other calls where that differs.
KEYWORDS: dict[str, tuple[str, ...]] = {
    # Whose
    "user_id": ("nothing here: Memory(user_id) is the memory of one user",),
    "agent_id": ("tags={'agent_id': ...}", "filters={'tags': {'agent_id': ...}}"),
    "app_id": ("tags={'app_id': ...}", "filters={'tags': {'app_id': ...}}"),
    "run_id": ("session=", "filters={'session': ...}"),
    "session_id": ("run_id= or session=", "filters={'session': ...}"),
    "thread_id": ("run_id= or session=", "filters={'session': ...}"),
    **dict.fromkeys(("bank_id", "group_id", "graph_id", "namespace", "org_id"), (_USER,)),
    "group_ids": (_USER, "Memory.over([...]): several memories as one"),
    # What
    **dict.fromkeys(("messages", "content", "data", "memory", "episode_body"), (_FIRST,)),
    "metadata": ("tags=", "filters={'tags': {...}}"),
    "context": ("tags={'context': ...}",),
    "document_id": ("Turn(..., source=...)", "filters={'source': ...}"),
    "memory_id": ("turn_id=, the turn's number",),
    # When
    "timestamp": ("said_at=", "filters={'since': ..., 'until': ...}"),
    "created_at": ("said_at=", "filters={'since': ..., 'until': ...}"),
    "reference_time": ("said_at=", "filters={'since': ..., 'until': ...}"),
    "expiration_date": (f"{_LEAVE}the setting retention_days is for all turns",),
    # How it is stored
    "infer": (f"{_LEAVE}add asks no model; digest() does",),
    "prompt": (f"{_LEAVE}a vocabulary says what facts there are",),
    "custom_instructions": (f"{_LEAVE}a vocabulary says what facts there are",),
    "memory_type": (f"{_LEAVE}what is said becomes turns, and facts where it states them",),
    "enable_graph": (f"{_LEAVE}facts name entities in any case",),
    "immutable": (f"{_LEAVE}turns never change",),
    "async_mode": (f"{_LEAVE}AsyncMemory has the calls to await",),
    "version": (f"{_LEAVE}there is one form",),
    "output_format": (f"{_LEAVE}there is one form",),
    # How it is searched
    "question": ("query=",),
    "top_k": ("k= or limit=",),
    "num_results": ("k= or limit=",),
    "page_size": ("k= or limit=",),
    "max_tokens": ("k=, or context(message, budget=...).text: as much as fits a prompt",),
    "threshold": ("[hit for hit in hits if hit.score > ...]",),
    "min_score": ("[hit for hit in hits if hit.score > ...]",),
    "rerank": ("Memory(..., reranker=NAME)",),
    "reranking": ("Memory(..., reranker=NAME)",),
    **dict.fromkeys(("keyword_search", "filter_memories", "scope", "search_type"), (_ONE_RANKING,)),
    # How a memory is opened
    "api_key": (f"{_LEAVE}the memory is on this machine; a model's key is in its environment",),
    "base_url": ("api_base=, of the model's server",),
    "host": ("api_base=, of the model's server",),
    "config": ("the options by name: Memory(model=..., embedder=..., reranker=...)",),
}
# What no filter has: what to write for it.
FILTER_KEYS = {
    "user_id": "user_id= beside filters=",
    "agent_id": "{'tags': {'agent_id': ...}}",
    "run_id": "{'session': ...}",
    "metadata": "{'tags': {...}}",
    "AND": "its parts side by side: {'session': ..., 'since': ...}",
    "OR": "several texts for a key: {'speaker': ['Anna', 'Ben']}",
}
# Methods and attributes, of instances and classes.
METHODS = {
    "from_config": "Memory(model=..., embedder=..., reranker=...)",
    "get": "memory.store.turn(turn_id)",
    "update": "facts.supersede(memory.store, fact_id, value), from memory import facts",
    "history": "facts.history(memory.store, fact_id), from memory import facts",
    "reset": "delete_all(user_id) for each user",
    # Zep
    "user": "add(messages, user_id=...): a user is there with the first message",
    "thread": "add(messages, user_id=..., run_id=thread_id), context(message, user_id=...).text",
    "memory": "add(messages, user_id=..., run_id=session_id), context(message, user_id=...).text",
    "graph": "add(text, user_id=...), search(query, user_id=...), facts(user_id=...)",
    # LangMem and the store of LangGraph
    "put": "add(text, user_id=...); memory.frameworks has a BaseStore",
    "invoke": "add(messages, user_id=...), then digest(user_id=...) with a model",
    "ainvoke": "add(messages, user_id=...), then digest(user_id=...) with a model",
    # Hindsight
    "create_bank": "nothing: a user's memory is there with the first turn",
    "retain": "add(text, user_id=...)",
    "retain_batch": "add([...], user_id=...)",
    "recall": "search(query, user_id=...)",
    "reflect": "ask(question, user_id=...)",
}
# What people import.
_MEMORY = "Memory: `from memory import Memory`"
_TOOLS = "memory_tools(...): `from memory import memory_tools`"
_ADD_AND_DIGEST = f"{_MEMORY}, and its add and digest"
IMPORTS = {
    **dict.fromkeys(("MemoryClient", "Zep", "Hindsight", "HindsightClient"), _MEMORY),
    **dict.fromkeys(("AsyncMemoryClient", "AsyncZep"), "AsyncMemory"),
    "Message": "Turn(speaker, text), or {'role': ..., 'content': ...}",
    "create_manage_memory_tool": _TOOLS,
    "create_search_memory_tool": _TOOLS,
    "create_memory_manager": _ADD_AND_DIGEST,
    "create_memory_store_manager": _ADD_AND_DIGEST,
}


def refuse_keywords(call: str, keywords: Iterable[str], taken: Iterable[str]) -> None:
    """Raises InputError for a keyword that a call does not take, with what to write instead."""
    for name in keywords:
        if name in KEYWORDS:
            advice = KEYWORDS[name][0 if call == "add" else -1]
            verb = "" if advice.startswith(_LEAVE) else "write "
            raise InputError(f"{call} takes no {name}=; {verb}{advice}")
        ours = ", ".join(f"{keyword}=" for keyword in taken)
        raise InputError(f"{call} takes no {name}=; it takes {ours}")


def refuse_filter_keys(keys: Iterable[str]) -> None:
    """Raises InputError for a key of another library's filters, with what to write instead."""
    for key in keys:
        if key in FILTER_KEYS:
            raise InputError(f"filters have no {key!r}; write {FILTER_KEYS[key]}")


class _Answering(type):
    """Of classes that answer a method of another library with ours."""

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any:
            return _no_method(cls, name) or type.__getattribute__(cls, name)


class AnswersOthersNames(metaclass=_Answering):
    """An AttributeError for a method of another library says what to write here."""

    if not TYPE_CHECKING:  # else mypy would find every name

        def __getattr__(self, name: str) -> Any:
            # What is not here raises as usual, and a property what went wrong in it.
            return _no_method(type(self), name) or object.__getattribute__(self, name)


def _no_method(owner: type, name: str) -> None:
    if name in METHODS:
        raise AttributeError(f"{owner.__name__} has no {name}; write {METHODS[name]}")
