"""The layout: which layer may import which, who may import what, and what each room is for."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import memory

ROOT = Path(__file__).parent.parent
SCRIPTS = [ROOT / f"{name}.py" for name in ("evaluate", "optimize", "train")]
DEPLOYMENT = sorted((ROOT / "arbor").glob("*.py"))
PRODUCT = [*sorted((ROOT / "memory").rglob("*.py")), *sorted((ROOT / "locomo").rglob("*.py"))]
CODE = [*PRODUCT, *SCRIPTS, *DEPLOYMENT]
EVERYTHING = [*CODE, *sorted((ROOT / "tests").rglob("*.py"))]

# From the ground up; a module imports only layers below its own, or its own room.
MEMORY_LAYERS = [
    {"memory.errors", "memory.records", "memory.text.characters"},
    {"memory.system", "memory.text"},
    {"memory.search", "memory.sql", "memory.vocabulary"},
    {"memory.models", "memory.store"},
    {"memory.facts"},
    {"memory.evidence"},
    {"memory.program"},
    {"memory.digest", "memory.recall", "memory.refine"},
    {"memory.api", "memory.exchange"},
    {"memory.agents", "memory.frameworks", "memory.operations", "memory.worker"},
    {"memory.server"},
    {"memory.cli"},
    {"memory.__main__"},
]
BENCHMARK_LAYERS = [
    {"locomo.choices", "locomo.commands", "locomo.dataset", "locomo.json_lines", "locomo.parallel"},
    {
        *("locomo.benchmark_judges", "locomo.judge_replies", "locomo.ledger"),
        *("locomo.metrics", "locomo.split_data"),
    },
    {"locomo.harness", "locomo.llm_judge"},
    {"locomo.rubric_judge", "locomo.storing_cost", "locomo.timing"},
    {"locomo.results", "locomo.systems"},
    {"locomo.evaluation", "locomo.compare", "locomo.published", "locomo.stages"},
    {"locomo.tasks"},
    {"locomo.examples", "locomo.tracking"},
    {"locomo.export", "locomo.prompts", "locomo.retrieval", "locomo.weights"},
    {"locomo.others", "locomo.rerun", "locomo.rows", "locomo.scorecard", "locomo.scripts"},
    # Command lines stand on top of whatever room they lie in.
    {"locomo.dataset.__main__", "locomo.export.__main__"},
    {"locomo.retrieval.__main__", "locomo.scorecard.__main__"},
]
LAYERS = [*MEMORY_LAYERS, *BENCHMARK_LAYERS]
# Modules that are no room: all that they hold may be imported.
OPEN_MODULES = {"memory.errors", "memory.records"}
# One importer per outside library (a folder counts as one).
IMPORTERS = {
    "sqlglot": "memory/sql",
    "safetensors": ("memory/search/embed.py", "locomo/weights"),
    "tokenizers": ("memory/text/tokens.py", "locomo/weights"),
    # Weights: the extra `tune`, and a machine with GPUs.
    "torch": ("locomo/weights", "arbor"),
    "transformers": ("locomo/weights", "arbor"),
    "peft": ("locomo/weights", "arbor"),
    "trl": "locomo/weights/",
    "gguf": "locomo/weights/",
    "arbor": ("locomo/weights/arbor_job.py", "arbor"),
    "lazy_loader": "memory/",
    "httpx": (
        "memory/server",
        "memory/worker",
        "locomo/weights/arbor_client.py",
        "arbor",
    ),
    "dateutil": "memory/text/written_dates.py",
    "ray": "memory/system/machines.py",
    "runpod": "arbor/deploy.py",
    "pyarrow": ("locomo/dataset/beam.py", "locomo/export/verl.py"),
    "verl": "locomo/export/verl_tools.py",  # never imported here: verl imports it
    "sqlite_utils": "memory/store/migrations/__init__.py",
    "sqlite3": (
        *("memory/store", "locomo/retrieval/baselines.py", "locomo/tracking/runs.py"),
        *("locomo/others", "locomo/tasks/row_use.py"),
    ),
    "psycopg": "memory/store/postgres",
    "alembic": "memory/store/postgres",
    "sqlalchemy": ("memory/store/postgres", "locomo/tracking/runs.py"),
    "xllamacpp": "memory/models/gguf/server.py",
    "huggingface_hub": "memory/models/gguf/download.py",
    # It sets the environment first: no look-ups on the internet, no telemetry, no prints.
    "litellm": ("memory/system/providers.py", "memory/frameworks/litellm_callback.py"),
    "anthropic": "memory/frameworks/anthropic_memory.py",
    "langgraph": "memory/frameworks/langgraph_store.py",
    "agents": "memory/frameworks/openai_agents.py",
    "sentence_transformers": "memory/search/embed.py",
    "mlflow": "locomo/tracking",
    "matplotlib": ("locomo/retrieval/chart.py", "locomo/tracking/overview.py"),
    "nltk": "locomo/metrics.py",
    "bs4": "memory/exchange/documents",
    "markdown_it": "memory/exchange/documents",
    "pypdf": "memory/exchange/documents",
    "platformdirs": "memory/system/home.py",
    "prompt_toolkit": "memory/cli/chat/screen.py",
    "mcp": "memory/server",
    "fastapi": ("memory/server/json_api.py", "arbor"),
    "starlette": ("memory/server", "arbor"),
    "uvicorn": ("memory/server", "arbor"),
    "jinja2": "memory/server/web",
    "markupsafe": "memory/server/web",
}
# What each room is for, in one sentence. What does not fit the sentence belongs elsewhere.
ROOMS = {
    "memory/agents": "memories of coding agents: hooks, transcripts, projects",
    "memory": "records and errors",
    "memory/api": "Memory itself: whose memory a call is for, in whose words",
    "memory/text": "what stands in a text: speakers, dates, tokens, secrets",
    "memory/system": "the machine around a memory: files, terminals, libraries, providers",
    "memory/sql": "what SQL a model may write",
    "memory/search": "which turns a question asks for",
    "memory/vocabulary": "the attributes of facts: their names, kinds and values",
    "memory/vocabulary/entities": "whom a name means",
    "memory/vocabulary/templates": "plain forms of what people say and ask, as templates",
    "memory/store": "a namespace in a database: durable, journaled, undoable, forgettable",
    "memory/store/turns": "turns: adding, reading, tagging, summarizing, and what expires",
    "memory/store/facts": "facts: who may say them, and who they are about",
    "memory/store/changes": "the journal: each write is a change, undone and read as of a day",
    "memory/store/search": "the tables of search: columns, vectors and who made them",
    "memory/store/configuration": "settings, the owner, what is withheld, what fits",
    "memory/store/files": "whole memories: moved, copied, checked, several read as one",
    "memory/store/waiting": "work that waits: windows and tasks, and their claims",
    "memory/store/sqlite": "a namespace in one SQLite file, behind its walls; files that are not "
    "ours",
    "memory/store/forgetting": "turns and what rests on them, removed, overwritten, proven gone",
    "memory/store/postgres": "a namespace in Postgres, behind walls of its own",
    "memory/evidence": "what is shown of a memory for a question, the same at every door",
    "memory/facts": "facts as persons see, edit and audit them",
    "memory/digest": "windows of turns become facts and a story",
    "memory/recall": "what is given to a memory and what it gives back, in records",
    "memory/models": "language models ready to be called, which know no memory and no program",
    "memory/models/gguf": "models as files: what they say of themselves, and what runs them",
    "memory/program": "the modules that optimizers compile, in the order in which they are called",
    "memory/program/signatures": "every prompt, and which form of it a model is given",
    "memory/exchange": "what other programs exported, and exports",
    "memory/exchange/documents": "documents and tool uses as turns",
    "memory/frameworks": "a memory in the protocols of asyncio and of agents' frameworks",
    "memory/cli/chat": "somebody talks with a character that remembers",
    "memory/operations": "what can be done with a memory, each once: endpoints, commands and tools",
    "memory/server": "who may reach memories by MCP, JSON and HTTP, and how",
    "memory/worker": "what waits in all memories, done in turn and continuously",
    "memory/server/web": "the page that somebody sees in a browser",
    "memory/cli": "the commands of python -m memory",
    "memory/refine": "facts made better by an agent, and held to a measure",
    "locomo": "scores, splits, judges, evaluations: what every measurement shares",
    "locomo/scripts": "what evaluate.py, optimize.py and train.py do",
    "locomo/results": "reports: means, intervals, tables, verdicts, traces",
    "locomo/dataset": "benchmark formats, in LoCoMo's form",
    "locomo/retrieval": "recall without a model, and the fit of the ranking",
    "locomo/tasks": "tasks and rewards for compiling and tuning",
    "locomo/prompts": "compiles prompts",
    "locomo/tracking": "experiments on record in MLflow: runs, data, traces, compiled programs",
    "locomo/others": "other memories beside ours, and ours in a benchmark of others",
    "locomo/scorecard": "what can be measured of any memory without a model",
    "locomo/examples": "makes supervised examples",
    "locomo/export": "exports training sets to other trainers",
    "locomo/weights": "tunes weights",
    "arbor": "the training server and its deployment",
}
# A module of fewer lines than SMALL that one other imports belongs in that one, but for these.
SMALL = 60
APART = {
    "started or copied by its path": (
        *("locomo.others.omnimemeval", "locomo.others.omnimemeval_client"),
        "locomo.tracking.program_model",
        *("memory.store.postgres.access", "memory.store.postgres.restore"),
    ),
    "a command, a place of the page or a format has a module": (
        *("memory.cli.admin", "memory.cli.embed", "memory.cli.settings", "memory.cli.summaries"),
        "memory.cli.upcoming",
        *("memory.server.web.entities", "memory.server.web.search", "memory.server.web.story"),
        *("memory.server.web.work", "memory.exchange.opencode"),
    ),
    "its importer is in another room, which does not know what it knows": (
        *("memory.models.adapters", "memory.text.tokens", "memory.search.question"),
        *("memory.sql.in_force", "memory.sql.inserts", "memory.system.call_history"),
    ),
    "its importer is a front door": (
        *("memory.exchange.documents.tool_uses", "memory.program.answer_forms"),
    ),
    "another subject than its importer's": (
        "memory.api.several",  # several memories; the importer is one
        "memory.evidence.reader",  # what is known of a person; the importer is a reader
        "memory.program.sql_questions",  # kinds of questions; the importer is a module of DSPy
        "memory.sql.contradiction_writes",  # one table; the importer has the policy of all
        *(
            "memory.store.facts.catalog",
            "memory.store.changes.journal",
        ),  # reads; the importer is a store
    ),
    "pydantic takes long to import": ("memory.vocabulary.file_format",),
}
# Names that say nothing of what they hold; six codebases that engineers hold up have .2 % of them.
VAGUE_NAMES = {
    *("one", "ones", "some", "found", "told", "said", "kept", "asked", "every", "each"),
    *("thing", "things", "it", "its", "many", "much", "other", "others", "what", "which"),
    *("got", "made", "given", "had", "him", "them", "his", "own", "rest", "most", "left"),
    *("shown", "held", "way", "thus"),
}
MOST_VAGUE_NAMES = 0.01
# A file's first line; to parse the tests for it would take three seconds.
DOCSTRING = re.compile(r'r?"""[^\s"]')
MOST_PUBLIC_NAMES = 20
# DSPy alone takes more than a second to import: only what asks a model pays for it.
MODEL_LIBRARIES = ("dspy", "litellm", "wordllama", "sentence_transformers", "pandas", "requests")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def syntax_nodes(path: Path) -> list[ast.AST]:
    """All nodes of a file's syntax tree, parsed once for all tests; they do not change it."""
    return [*ast.walk(ast.parse(path.read_text("utf-8")))]


@cache
def imports(path: Path) -> list[tuple[str, str]]:
    """(module, imported name) of every import, wherever in the file it stands."""
    pairs: list[tuple[str, str]] = []
    for node in syntax_nodes(path):
        if isinstance(node, ast.Import):
            pairs += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import"
            pairs += [(node.module or "", alias.name) for alias in node.names]
    return pairs


@cache
def layer(module_name: str) -> tuple[int, str] | None:
    """The number and the room of a module's layer; the longest name that fits counts."""
    fitting = [
        (len(room), number, room)
        for number, rooms in enumerate(LAYERS)
        for room in rooms
        if module_name == room or module_name.startswith(room + ".")
    ]
    return max(fitting)[1:] if fitting else None


@pytest.fixture(autouse=True, scope="module")
def _trees_are_forgotten() -> Iterator[None]:
    """Two hundred megabytes, which a worker needs for nothing else."""
    yield
    syntax_nodes.cache_clear()


def in_lines(faults: list[str]) -> str:
    """All faults of a lint at once, a line each."""
    return "\n".join(sorted({"", *faults}))


def test_every_module_is_in_a_layer() -> None:
    in_no_layer = [name(path) for path in PRODUCT if not layer(module(path))]
    assert in_no_layer == ["memory/__init__.py", "locomo/__init__.py"]


def test_a_layer_imports_only_layers_below() -> None:
    faults = []
    for path in PRODUCT:
        here = layer(module(path))
        for imported, member in imports(path):
            if here is None or imported.split(".")[0] != module(path).split(".")[0]:
                continue
            there = layer(f"{imported}.{member}") or layer(imported)
            if there is None:
                faults.append(f"{name(path)} imports {imported}, which is in no layer")
            elif there[1] != here[1] and there[0] >= here[0]:
                faults.append(f"{name(path)} imports {imported}")
    assert not faults, in_lines(faults)


def test_no_rooms_import_each_other_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for path in PRODUCT:
        here = layer(module(path))
        for imported, member in imports(path):
            there = layer(f"{imported}.{member}") or layer(imported)
            if here and there and here[1] != there[1]:
                rooms.setdefault(here[1], set()).add(there[1])
    TopologicalSorter(rooms).prepare()  # raises CycleError


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {module(path) for path in PRODUCT}
    imported_by_module = {
        module(path): {
            f"{imported}.{member}" if f"{imported}.{member}" in modules else imported
            for imported, member in imports(path)
        }
        & modules - {module(path), "memory", "locomo"}
        for path in PRODUCT
    }
    TopologicalSorter(imported_by_module).prepare()  # raises CycleError


def test_the_product_does_not_know_the_benchmark_or_the_scripts() -> None:
    faults = []
    for path in PRODUCT:
        forbidden = {"evaluate", "optimize", "train", "tests"}
        if module(path).split(".")[0] != "locomo":
            forbidden.add("locomo")
        for imported, _ in imports(path):
            if imported.split(".")[0] in forbidden:
                faults.append(f"{name(path)} imports {imported}")
    assert not faults, in_lines(faults)


def test_the_benchmark_enters_rooms_of_the_memory_by_their_front_doors_only() -> None:
    """What it needs of a room is in the room's `__init__`, or in its stub."""
    faults = []
    for path in CODE:
        if module(path).split(".")[0] == "memory":
            continue
        for imported, member in imports(path):
            if imported.split(".")[0] != "memory" or imported in OPEN_MODULES:
                continue
            is_room = (ROOT / imported.replace(".", "/") / "__init__.py").exists()
            if not is_room or member not in import_module(imported).__all__:
                faults.append(f"{name(path)} imports {member} of {imported}")
    assert not faults, in_lines(faults)


def test_a_front_door_offers_what_there_is() -> None:
    stubs = sorted((ROOT / "memory").rglob("__init__.pyi"))
    assert len(stubs) > 5
    for stub in stubs:
        room = import_module(module(stub))
        assert all(hasattr(room, offered) for offered in room.__all__), name(stub)


def test_at_most_twenty_names_are_public_and_their_stub_is_the_only_list() -> None:
    stub = ROOT / "memory" / "__init__.pyi"
    listed = [
        alias.asname
        for node in syntax_nodes(stub)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert memory.__all__ == sorted(listed)
    assert len(memory.__all__) <= MOST_PUBLIC_NAMES
    for public in memory.__all__:
        assert getattr(memory, public).__name__ == public


def test_an_outside_library_has_one_importer() -> None:
    faults = []
    for path in CODE:
        for imported, _ in imports(path):
            library = imported.split(".")[0]
            if library in IMPORTERS and not name(path).startswith(IMPORTERS[library]):
                faults.append(f"{name(path)} imports {library}")
            if library == "lazy_loader" and path.name != "__init__.py":
                faults.append(f"{name(path)} imports {library}, which is for front doors")
    assert not faults, in_lines(faults)


def test_importing_the_memory_loads_no_language_model_library() -> None:
    light = "import memory; memory.Memory, memory.Store"
    assert loaded(light, *MODEL_LIBRARIES, "numpy", "pydantic", "sqlglot", "rich") == []


def test_who_adds_and_searches_loads_no_language_model_library(tmp_path: Path) -> None:
    code = (
        "from memory import Memory, Turn\n"
        f"with Memory({str(tmp_path / 'memory.db')!r}) as memory:\n"
        "    memory.add(Turn('Anna', 'I bought a cello.'))\n"
        "    assert memory.search('cello')\n"
    )
    assert loaded(code, "dspy", "litellm") == []


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("command", "libraries"),
    [
        ("--help", (*MODEL_LIBRARIES, "numpy", "pydantic", "sqlglot", "tokenizers")),
        ("search cello --db {file}", (*MODEL_LIBRARIES, "sqlglot", "rich")),
        ("facts --db {file}", (*MODEL_LIBRARIES, "sqlglot", "rich")),
    ],
)
def test_a_command_that_asks_no_model_loads_no_language_model_library(
    command: str, libraries: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "memory.db"
    with memory.open_store(file) as store:
        store.add([memory.Turn("Anna", "I bought a cello.")])
    arguments = command.format(file=file).split()
    code = (
        f"import sys; sys.argv[1:] = {arguments}\n"
        "from memory.__main__ import app\n"
        "app(standalone_mode=False)"
    )
    assert loaded(code, *libraries) == []


def loaded(code: str, *libraries: str) -> list[str]:
    """Which of the libraries a process has imported after it ran some code."""
    ask = f"import sys; print([name for name in {libraries} if name in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ask}"], capture_output=True, text=True, check=True
    )
    names: list[str] = ast.literal_eval(out.stdout.splitlines()[-1])
    return names


def test_every_prompt_stands_in_the_file_of_prompts() -> None:
    homes = {
        "memory/program/signatures/brief.py",
        "memory/program/signatures/full.py",
        "memory/program/signatures/further.py",
        "locomo/benchmark_judges.py",
        "locomo/rubric_judge.py",
        "locomo/llm_judge.py",
    }
    faults = [
        f"{name(path)}: {node.name}"
        for path in CODE
        for node in syntax_nodes(path)
        if isinstance(node, ast.ClassDef)
        and any("Signature" in ast.unparse(base) for base in node.bases)
        and name(path) not in homes
    ]
    assert not faults, in_lines(faults)


def test_every_room_has_a_purpose() -> None:
    rooms = {name(path.parent) for path in [*PRODUCT, *DEPLOYMENT]}
    migrations = {name(path.parent) for path in PRODUCT if "migrations" in path.parts}
    assert rooms - migrations == set(ROOMS)


def test_a_file_says_its_subject_in_its_first_line() -> None:
    faults = [
        f"{name(path)} has no docstring"
        for path in EVERYTHING
        if path.stat().st_size and not DOCSTRING.match(path.read_text("utf-8"))
    ]
    assert not faults, in_lines(faults)


def test_names_say_what_they_hold() -> None:
    names = [
        node.arg if isinstance(node, ast.arg) else node.id
        for path in CODE
        for node in syntax_nodes(path)
        if isinstance(node, ast.arg)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    ]
    vague = [name for name in names if name.strip("_") in VAGUE_NAMES]
    assert len(vague) <= MOST_VAGUE_NAMES * len(names), sorted(vague)


def test_a_small_module_with_one_importer_has_a_reason() -> None:
    paths = {module(path): path for path in PRODUCT if path.stem not in {"__init__", "__main__"}}
    importers: dict[str, set[Path]] = {}
    for path in [*PRODUCT, *SCRIPTS]:
        for imported, member in imports(path):
            inner = f"{imported}.{member}"
            importers.setdefault(inner if inner in paths else imported, set()).add(path)
    for stub in (ROOT / "memory").rglob("__init__.pyi"):
        for node in syntax_nodes(stub):
            if isinstance(node, ast.ImportFrom):
                importers.setdefault(f"{module(stub)}.{node.module}", set()).add(stub)
    small = {
        module_name
        for module_name, path in paths.items()
        if len(path.read_text("utf-8").splitlines()) < SMALL
        and len(importers.get(module_name, ())) < 2
        and not module_name.startswith("memory.store.postgres.migrations.")
    }
    # An entry point imports these.
    small -= {name for name in small if "\nIMPORTER = " in paths[name].read_text("utf-8")}
    apart = {module_name for names in APART.values() for module_name in names}
    assert sorted(small - apart) == [], "join them to their importers, or say in APART why not"
    assert sorted(apart - paths.keys()) == []


def test_nothing_is_called_utils_helpers_or_base_and_arbor_is_no_package() -> None:
    assert not [name(p) for p in CODE if p.stem in {"utils", "helpers", "base"}]
    assert not (ROOT / "arbor" / "__init__.py").exists()


def test_modules_that_docstrings_name_are_there() -> None:
    """`memory.evidence.reader.reader_of`: a file of that path, or a name that stands in it."""
    reference = re.compile(r"`((?:memory|locomo)(?:\.[A-Za-z_]\w*)+)(?:\(\))?`")
    faults = [
        f"{name(path)}: {dotted}"
        for path in CODE
        for dotted in reference.findall(path.read_text("utf-8"))
        if not stands(dotted)
    ]
    assert not faults, in_lines(faults)


def stands(dotted: str) -> bool:
    """Whether this is a public name, a module, or a name that stands in one."""
    path, last = ROOT / dotted.replace(".", "/"), dotted.rpartition(".")[2]
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    if path.parent == ROOT / "memory":
        return last in memory.__all__
    room = path.parent
    modules = [room.with_suffix(".py"), room / "__init__.py", room / "__init__.pyi"]
    word = re.compile(rf"\b{last}\b")
    return any(module.exists() and word.search(module.read_text("utf-8")) for module in modules)


def lint(*command: str) -> None:
    out = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stdout + out.stderr


def test_the_code_is_linted_and_formatted() -> None:
    lint("ruff", "check", ".")
    lint("ruff", "format", "--check", ".")


@pytest.mark.slow
def test_the_code_is_typed() -> None:
    lint("mypy")


def test_one_room_asks_which_model_it_is() -> None:
    """Elsewhere a program says what it has modules for (memory.program.program)."""
    kinds = {"GgufEngine", "GgufAdapter"}
    questions = {"packaged", *kinds}
    places = [
        f"{name(path)}: {node_name}"
        for path in CODE
        if not name(path).startswith(("memory/models/", "memory/program/"))
        for node_name in _names(path)
        if node_name in questions
    ]
    assert places == []


def test_a_model_has_at_most_ten_fields_and_four_methods() -> None:
    [model] = [
        node
        for node in syntax_nodes(ROOT / "memory/models/model.py")
        if isinstance(node, ast.ClassDef) and node.name == "Model"
    ]
    assert len([node for node in model.body if isinstance(node, ast.AnnAssign)]) <= 10
    assert len([node for node in model.body if isinstance(node, ast.FunctionDef)]) <= 4


def test_no_flag_of_a_model_is_asked_outside_the_rooms_of_models_and_program() -> None:
    """What a size means for a memory is said by its program: `program_for(model)`."""
    flags = {"size", "stores_facts", "takes_persona"}
    of_models = re.compile(r"(model|teacher|student|tuned|base|judge|judging|writer|loaded)$")
    askers = [
        f"{name(path)}: {ast.unparse(node)}"
        for path in CODE
        if not name(path).startswith(("memory/models/", "memory/program/"))
        for node in syntax_nodes(path)
        if isinstance(node, ast.Attribute)
        and node.attr in flags
        and of_models.search(ast.unparse(node.value))
    ]
    assert askers == []


def test_nobody_compares_the_name_of_a_form_of_prompts() -> None:
    """What a model of a form does is said by `memory.program.program`."""
    forms = {"full", "short", "brief"}
    comparisons = [
        f"{name(path)}: {ast.unparse(node)}"
        for path in CODE
        for node in syntax_nodes(path)
        if isinstance(node, ast.Compare)
        and re.search(r"(form|prompts)$", ast.unparse(node.left))
        and forms.intersection(re.findall(r"\w+", ast.unparse(node.comparators[0])))
    ]
    assert comparisons == []


# Who reads a store by SQL, and whose SQL that is. The product itself reads by named statements
# (memory/store/statements.sql): they are not parsed, not judged, and not cut at a model's rows.
SELECTS_OF_OTHERS = {
    "memory/api/memory.py": "the application's, by Memory.read",
    "memory/cli/queries.py": "a person's, by the command `sql`",
    "memory/evidence/reader.py": "what the program passes on",
    "memory/operations/tools.py": "an agent's, by the tool query_memory",
    "memory/program/look.py": "a model's, and the search that it asks for, which an answer shows",
    "memory/program/brief.py": "of what a little model chose, which an answer shows as its SQL",
    "memory/program/heart.py": "a model's",
    "memory/program/opened.py": "what the heart passes on",
    "memory/store/files/united.py": "whoever's, in each of several memories",
}
OTHER_READERS = {
    *("sys.stdin.buffer", "file", "importer", "content", "opened", "connection.getresponse()"),
    *("templates_of(vocabulary)", "question_templates_of(vocabulary)"),
}
# Who puts texts into SQL: what a journal, a person or an answer shows as a statement.
QUOTING = {
    "memory/facts/edits.py",
    "memory/program/brief.py",
    "memory/program/brief_store.py",
    "memory/program/look.py",
    "memory/store/facts/digest_rights.py",
    "memory/refine/workbench.py",
    "memory/store/facts/assertions.py",
    "memory/store/changes/journal.py",
    "memory/store/facts/vocabulary_table.py",
}


def test_only_sql_of_models_and_persons_is_read_by_a_store() -> None:
    callers = {
        name(path)
        for path in PRODUCT
        if name(path).startswith("memory/")
        for node in syntax_nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "read"
        and (node.args or node.keywords)
        and ast.unparse(node.func.value) not in OTHER_READERS
    }
    # These have a `read` of their own: a text in pieces, and the signature of a call.
    callers -= {"memory/exchange/json_files.py", "memory/api/other_libraries.py"}
    assert callers == {*SELECTS_OF_OTHERS}


def test_texts_are_put_only_into_sql_that_is_shown() -> None:
    callers = {
        name(path)
        for path in PRODUCT
        if name(path).startswith("memory/") and not name(path).startswith("memory/sql/")
        for _, imported in imports(path)
        if imported == "quoted"
    }
    assert callers == QUOTING


def test_no_select_is_put_together_outside_the_rooms_of_sql() -> None:
    glued = {
        name(path)
        for path in PRODUCT
        if name(path).startswith("memory/")
        and not name(path).startswith(("memory/sql/", "memory/store/", "memory/models/"))
        for node in syntax_nodes(path)
        if isinstance(node, ast.JoinedStr) and re.search(r"\bSELECT\b.* FROM ", ast.unparse(node))
    }
    rooms = ("brief", "look")
    assert glued == {f"memory/program/{room}.py" for room in rooms}


def _names(path: Path) -> Iterator[str]:
    """The attributes and the imported names of a file."""
    for node in syntax_nodes(path):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
