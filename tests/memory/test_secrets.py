"""Secrets and private text are not stored, through any door; what only looks like one is."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import InputError, Memory, Store, Turn, open_store
from memory.__main__ import app
from memory.errors import SecretError, SqlError
from memory.facts import add, supersede
from memory.operations.tools import memory_tools
from memory.records import Withheld
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.withheld import count_withheld
from memory.text import secrets
from memory.text.private_text import PRIVATE
from memory.text.secrets import WITHHELD, mask, mask_parts
from tests.conftest import INSERT
from tests.support.commands import run_in_process
from tests.support.secrets_corpus import EDGES, LOOK_ALIKES, SECRETS, TOKENS

BOTH_STORES = "slow"
TOKEN = {kind: secret for kind, _, secret in SECRETS}["GitHub token"]
KEY = {kind: secret for kind, _, secret in SECRETS}["RSA key"]


def leaks(secret: str, text: str) -> bool:
    """Whether a line of a secret stands in a text."""
    lines = [line for line in re.split(r"\n|\\n", secret) if "-----" not in line]
    return any(line in text for line in lines if len(line) >= min(len(secret), 12))


def test_60_kinds_of_secrets_are_withheld() -> None:
    assert len(SECRETS) >= 60
    stored = {kind: mask(text.format(secret)) for kind, text, secret in SECRETS}
    assert [kind for kind, _, secret in SECRETS if leaks(secret, stored[kind].text)] == []
    assert [kind for kind, masked in stored.items() if not masked.secrets] == []
    # What was masked is masked no further.
    assert [kind for kind, masked in stored.items() if mask(masked.text).secrets] == []


def test_60_texts_that_look_like_secrets_stay() -> None:
    assert len(LOOK_ALIKES) >= 60
    changed = [text for text in LOOK_ALIKES if mask(text).text != text]
    assert len(changed) <= 3, changed


@pytest.mark.parametrize("edge", EDGES, ids=ascii)
def test_a_secret_is_withheld_whatever_a_tool_prints_before_it(edge: str) -> None:
    # A hash may stand behind `monkey-` and TASK, and chance letters within a long run of base64.
    look_alikes = {
        "AB": {"Mailgun", "Twilio"},
        "my-": {"Mailgun", "Twilio"},
        "123456": {"Square", "Facebook", "crates.io", "Mailchimp"},
    }.get(edge, set())
    tokens = {kind: mask(f"see {edge}{token} there").text for kind, token in TOKENS.items()}
    assert {kind for kind, text in tokens.items() if TOKENS[kind][-12:] in text} <= look_alikes
    texts = {kind: mask(edge + text.format(secret)).text for kind, text, secret in SECRETS}
    # A machine's name in a file of passwords has no letter or & in it.
    assert [
        kind for kind, _, secret in SECRETS if kind != "pgpass" and leaks(secret, texts[kind])
    ] == []


@pytest.mark.parametrize("edge", [edge for edge in EDGES if edge != "AB"], ids=ascii)
def test_what_looks_like_a_secret_stays_whatever_a_tool_prints_before_it(edge: str) -> None:
    changed = [text for text in LOOK_ALIKES if mask(edge + text).text != edge + text]
    assert changed == [] or edge in ("%C2%AB", "%3D"), changed


def test_a_secret_is_withheld_within_the_colours_of_a_search() -> None:
    for kind, token in TOKENS.items():
        coloured = f"\x1b[32ma.py\x1b[m:\x1b[01;31m\x1b[K{token[:4]}\x1b[m\x1b[K{token[4:]}"
        assert token[4:] not in mask(coloured).text, kind
    shown = "\x1b[1mtests\x1b[0m passed"
    assert mask(shown).text == shown


@pytest.mark.parametrize("prefix", ["+", "-", "  ", "> ", "12:", "  12\t", "12→"])
def test_the_beginning_of_a_key_is_withheld_behind_what_tools_print(prefix: str) -> None:
    text = "\n".join(prefix + line for line in KEY[:500].split("\n"))
    assert not leaks(KEY[:500], mask(text).text)


@pytest.mark.parametrize(
    "text",
    [
        "My door code is 4711# and the alarm's PIN is 2580.",
        "The wifi password is Sunflower42!",
        "The guest password: Sunflower42!",
        "My number is +47 912 34 567, my passport C01X00T47.",
        "The password of the club is open sesame.",
    ],
)
def test_what_people_tell_on_purpose_is_stored(text: str) -> None:
    assert mask(text).text == text


def test_the_text_around_a_secret_stays() -> None:
    text = f"Use postgresql://app:{'Tr0ub4dor&3'}@db/app, and push with {TOKEN}; then tell Ben."
    assert mask(text).text == (
        f"Use postgresql://app:{WITHHELD}@db/app, and push with {WITHHELD}; then tell Ben."
    )
    assert mask(text).secrets == 2


@pytest.mark.parametrize(
    ("text", "stored", "pieces"),
    [
        ("I <private>love Eve</private> like tea.", f"I {PRIVATE} like tea.", 1),
        ("<PRIVATE>a</PRIVATE> b <private>c</private>", f"{PRIVATE} b {PRIVATE}", 2),
        ("I said <private>never closed", f"I said {PRIVATE}", 1),
        ("Write `<private>` around it.", "Write `<private>` around it.", 0),
        ("Is a < b? </private>", "Is a < b? </private>", 0),
    ],
)
def test_private_text_is_never_stored(text: str, stored: str, pieces: int) -> None:
    masked = mask(text)
    assert (masked.text, masked.private) == (stored, pieces)


def test_a_document_is_masked_across_its_chunks() -> None:
    lines = KEY.split("\n")
    chunks = [
        "Setup\n" + "\n".join(lines[:4]),
        "Setup\n" + "\n".join(lines[3:7]),
        "\n".join(lines[6:]),
    ]
    parts = mask_parts([*chunks, "The key is above. <private>Only", "for me</private> Bye."])
    assert not leaks(KEY, " ".join(part.text for part in parts))
    assert parts[1].text.startswith("Setup")
    assert [part.text for part in parts[3:]] == [f"The key is above. {PRIVATE}", f"{PRIVATE} Bye."]


def plainly(text: str) -> tuple[str, int]:
    """Every rule over the whole text, one after the other."""
    count = 0
    clean, lowered = text, text.lower()
    if secrets._MAY_HOLD.search(text):
        forms = secrets._TOKEN_RULES if secrets._MAY_HOLD_TOKEN.search(text) else ()
        for rule in (*forms, *secrets._CONTEXT_RULES):
            lists = filter(None, [rule.words, rule.other_words])
            if all(any(word in lowered for word in any_of) for any_of in lists):
                clean, hits = secrets._replaced(clean, replace(rule, starts=(), sign=None))
                count += hits
    return clean, count


SAMPLES = [*LOOK_ALIKES, *(text.format(secret) for _, text, secret in SECRETS)]
LETTERS = [*" \n\t.,;:=-_/'\"`()$~@", "\u017f", "\u0130", "\u212a", "\u0131", "\u00fc", "\u0664"]
NAMES = st.sampled_from([*secrets._PASSWORD_WORDS, *secrets._KEY_WORDS, *secrets._SHORT_WORDS])
PARTS = (
    st.builds(
        lambda text, start, length: text[start : start + length],
        *(st.sampled_from(SAMPLES), st.integers(0, 60), st.integers(1, 120)),
    )
    | st.sampled_from(SAMPLES)
    | NAMES
    | NAMES.map(str.upper)
    | st.sampled_from(LETTERS)
    | st.sampled_from(
        [" = ", ": ", " is ", " to ", "4111 1111 1111 1111", "hunter2x-Q9", "pa\u017fsword"]
    )
)


@pytest.mark.slow
@given(st.lists(PARTS, max_size=6).map("".join))
@settings(max_examples=400)
def test_rules_that_are_left_out_would_have_found_nothing(text: str) -> None:
    assert secrets._without_secrets(text) == plainly(text)


def test_each_rule_is_found_by_its_words_wherever_it_matches() -> None:
    for text in SAMPLES:
        for upper in (text, text.upper(), text.replace("s", "\u017f"), f"\u0130{text}"):
            assert secrets._without_secrets(upper) == plainly(upper)
    names = (*secrets._PASSWORD_WORDS, *secrets._KEY_WORDS, *secrets._SHORT_WORDS)
    assert all(any(part in name for part in secrets._PARTS_OF_NAMES) for name in names)


HOSTILE = [
    "password" * 40_000,
    "password=" * 30_000,
    "password: '" * 30_000,
    "eyJ" * 80_000,
    "eyJaaaaaaaaa." * 20_000,
    "://a:" * 50_000,
    "-----BEGIN PRIVATE KEY-----" * 9_000,
    "-----END PRIVATE KEY-----\n" * 9_000,
    "<private>" * 30_000,
    "Cookie: a=" + "b" * 200_000,
    "mysql " * 40_000,
    "docker login " * 20_000,
    "seed phrase: " + "word " * 50_000,
    "the password " * 20_000,
    "a" * 300_000,
    "4111 " * 50_000,
    "a:1:" * 60_000,
    "-----BEGIN PRIVATE KEY-----\n" + "\\n " * 80_000,
]


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_take_linear_time(text: str) -> None:
    mask(text)  # a quadratic rule would take hours


# ---------------------------------------------------------------------- in a memory


def everything(store: Store) -> str:
    return "\n".join([*(turn.text for turn in store.turns()), *map(str, store.facts())])


def test_a_memory_stores_no_secret_and_counts_them(address: str) -> None:
    turns = [Turn("Anna", text.format(secret)) for _, text, secret in SECRETS]
    with open_store(address) as store:
        ids = store.add(turns)
        assert ids == list(range(1, len(turns) + 1))
        assert ids.withheld.secrets >= len(turns)
        stored = everything(store)
        assert [kind for kind, _, secret in SECRETS if leaks(secret, stored)] == []
        first = count_withheld(store)
        assert first == ids.withheld
        assert store.add([Turn("Anna", "<private>a</private> b")]).withheld == Withheld(0, 1)
        assert count_withheld(store) == Withheld(first.secrets, 1)


def test_a_turn_that_is_stored_already_is_not_counted_again(address: str) -> None:
    with open_store(address) as store:
        turn = Turn("Anna", f"use {TOKEN}", source="a")
        assert store.add([turn], once=True).withheld == Withheld(1)
        assert store.add([turn], once=True).withheld == Withheld()
        assert count_withheld(store) == Withheld(1)


def test_a_memory_may_refuse_secrets_or_let_them_in(address: str) -> None:
    with open_store(address) as store:
        Settings(store).set("secrets", "refuse")
        with pytest.raises(SecretError, match=r"^turn 2 holds") as refusal:
            store.add([Turn("Anna", "Hi."), Turn("Anna", f"use {TOKEN}")])
        assert refusal.value.positions == [1]
        assert TOKEN not in str(refusal.value)
        assert store.count_turns() == 0
        store.add([Turn("Anna", "Hi <private>you</private>.")])
        Settings(store).set("secrets", "off")
        ids = store.add([Turn("Anna", f"use {TOKEN} <private>now</private>")])
        assert store.turn(ids[0]).text == f"use {TOKEN} {PRIVATE}"
        assert ids.withheld == Withheld(0, 1)
        with pytest.raises(InputError, match='"mask" or "refuse" or "off"'):
            Settings(store).set("secrets", "maybe")


def test_a_fact_holds_no_secret(address: str) -> None:
    with open_store(address) as store:
        store.add([Turn("Anna", "I have a token.")])
        with pytest.raises(InputError, match="looks like a secret"):
            add(store, subject="Anna", attribute="token", value=TOKEN)
        add(store, subject="Anna", attribute="lives_in", value="Oslo")
        with pytest.raises(InputError, match="looks like a secret"):
            supersede(store, 1, TOKEN)
        with pytest.raises(SqlError, match="looks like a secret"):
            store.write(f"{INSERT}('Anna', 'token', '{TOKEN}', NULL, 1)", "test")
        assert store.count_turns() == 2
        assert TOKEN not in everything(store)
        Settings(store).set("secrets", "off")
        add(store, subject="Anna", attribute="token", value=TOKEN)
        assert TOKEN in everything(store)


def test_no_tool_changes_the_policy(address: str) -> None:
    with open_store(address) as store:
        tools = {tool.__name__: tool for tool in memory_tools(Memory(store), groups=["settings"])}
        with pytest.raises(InputError, match="a person sets this"):
            tools["set_setting"]("secrets", "off")
        assert Settings(store).get("secrets", "mask") == "mask"


def chat_file(folder: Path, texts: list[str]) -> Path:
    """An export of ours to import: a line for each message."""
    path = folder / "chat.jsonl"
    lines = [
        json.dumps({"speaker": "Anna", "text": text, "source": str(n)})
        for n, text in enumerate(texts)
    ]
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.mark.slow
def test_the_commands_say_how_much_was_withheld(memory_options: list[str], tmp_path: Path) -> None:
    out = run_in_process(app, "add", f"use {TOKEN}", "--speaker", "Anna", *memory_options).stdout
    assert out == "turn 1\n  withheld: 1 secret\n"
    out = run_in_process(
        app, "add", f"or {TOKEN}", "--speaker", "Anna", "--json", *memory_options
    ).stdout
    assert json.loads(out) == {"turn": 2, "withheld": {"secrets": 1, "private": 0}}
    guide = tmp_path / "guide.md"
    guide.write_text(f"# Guide\n\nUse {TOKEN}. <private>Not this.</private>\n", "utf-8")
    out = run_in_process(app, "add", str(guide), *memory_options).stdout
    assert "withheld: 1 secret\n" in out
    chats = chat_file(tmp_path, [f"{n} {TOKEN}" for n in range(3)])
    out = run_in_process(app, "import", str(chats), *memory_options).stdout
    assert "withheld: 3 secrets" in out
    out = run_in_process(app, "admin", "settings", *memory_options).stdout
    assert "withheld so far: 6 secrets" in out


def test_an_import_leaves_out_what_the_memory_refuses(
    memory_options: list[str], tmp_path: Path
) -> None:
    run_in_process(app, "add", "Hi.", "--speaker", "Anna", *memory_options)
    run_in_process(app, "admin", "settings", "secrets", "refuse", *memory_options)
    chats = chat_file(tmp_path, ["One.", f"Two {TOKEN}.", "Three."])
    out = run_in_process(app, "import", str(chats), *memory_options).stdout
    assert "2 new turns" in out
    assert "left out, it holds what looks like a secret: 1" in out
