"""What a memory does not store: secrets of machines, found by rules, and private text.

Keys, tokens, passwords in assignments and addresses, key blocks and payment cards are masked.
Things that people share on purpose are not: a door code, a wifi password, a phone number.
secrets.toml has the rules. A rule runs only if one of its words occurs in the text, and its
repetitions are bounded, so it takes linear time.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from memory.text.private_text import withhold_private

Policy = Literal["mask", "refuse", "off"]
DEFAULT_POLICY: Policy = "mask"

WITHHELD = "[withheld]"


@dataclass(frozen=True)
class Masked:
    """A text without what is withheld, and how many pieces that was."""

    text: str
    secrets: int = 0
    private: int = 0


def mask(text: str) -> Masked:
    """A text without secrets and without what stands between <private> and </private>."""
    [masked] = mask_parts([text])
    return masked


def mask_parts(texts: Sequence[str], secrets: bool = True) -> list[Masked]:
    """The consecutive parts of one text, each masked; without `secrets` only private text is.

    Private text or a key block that begins in one part goes on in those after it.
    """
    results = []
    is_private = False
    in_key = False
    for text in texts:
        clean, private, is_private = withhold_private(text, is_private)
        count = 0
        if secrets:
            plain = _without_colours(clean)
            plain, count, in_key = _without_keys(plain, in_key)
            plain, more = _without_secrets(plain)
            count += more
            clean = plain if count else clean
        results.append(Masked(clean, count, private))
    return results


# ---------------------------------------------------------------------- colours of terminals

_COLOUR = re.compile(r"(?:\x1b|\\{1,4}(?:u001b|x1b|033|e))\[[\d;?]{0,30}[A-Za-z]", re.IGNORECASE)


def _without_colours(text: str) -> str:
    """The text without a terminal's colours, even if written as escapes.

    They occur within tokens, too: `grep` colours its matches.
    """
    return _COLOUR.sub("", text) if "[" in text and ("\x1b" in text or "\\" in text) else text


# ---------------------------------------------------------------------- key blocks

_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# A line of a key, also in JSON, where its end is written as \n.
# Before it may stand what tools print before lines: a number, a sign.
_KEY_LINE = re.compile(r"[ \t>|\d:\u2192-]{0,20}[A-Za-z0-9+/=]{16,}[ \t]{0,9}(?:\\n|\\r|[\r\n]|$)")
_KEY_LINES = re.compile(
    r"(^|\\n)(?:[ \t>|\d:\u2192-]{0,20}[A-Za-z0-9+/=]{16,}[ \t]{0,9}(?:\\n|\\r|[\r\n]|$))+",
    re.MULTILINE,
)
_HEADERS = re.compile(r"(?:\\n|\\r|\s|(?:Proc-Type|DEK-Info|Version|Comment):[^\n]{0,200})*+")


def _without_keys(text: str, in_key: bool) -> tuple[str, int, bool]:
    """The text without private keys, their number, and whether it ends within one."""
    if "PRIVATE KEY" not in text and not in_key:
        return text, 0, False
    if in_key:  # lines of it, below a heading and next to lines of the part before
        ends = _KEY_ENDS.search(text)
        end = ends.end() if ends else len(text)
        lines, count = _KEY_LINES.subn(rf"\g<1>{WITHHELD}", text[:end])
        rest, more, in_key = _without_keys(text[end:], False)
        return lines + rest, count + more, in_key if ends else count > 0
    pieces: list[str] = []
    count = 0
    position = 0
    begins = _KEY_BEGINS.search(text)
    ends = _KEY_ENDS.search(text)
    while begins or ends:
        if begins and (ends is None or begins.start() < ends.start()):
            start = begins.start()
            if ends is None:
                end = _key_lines_end(text, begins.end())
                if end == begins.end() < len(text):  # a line that is only written about
                    pieces.append(text[position:end])
                    position = end
                    begins = _KEY_BEGINS.search(text, position)
                    continue
                pieces += [text[position:start], WITHHELD, text[end:]]
                return "".join(pieces), count + 1, end == len(text)
            end = ends.end()
        else:  # its beginning was cut off
            assert ends
            start = _key_lines_start(text, position, ends.start())
            end = ends.end()
        pieces += [text[position:start], WITHHELD]
        count += 1
        position = end
        ends = _KEY_ENDS.search(text, position)
        if begins and begins.start() < position:
            begins = _KEY_BEGINS.search(text, position)
    return "".join(pieces) + text[position:], count, False


def _key_lines_end(text: str, position: int) -> int:
    """Where the lines of a key end that begin at a position; there, when none do."""
    end = position
    headers = _HEADERS.match(text, position)
    at = headers.end() if headers else position
    while line := _KEY_LINE.match(text, at):
        end = at = line.end()
    last = re.compile(r"[ \t>|\d:\u2192-]{0,20}[A-Za-z0-9+/=]{1,76}(?=\s|\\|$)").match(text, at)
    return last.end() if last and end > position else end


def _key_lines_start(text: str, first: int, end: int) -> int:
    """Where the lines of a key start that end at `end`."""
    start = end
    while start > first:
        line_start = text.rfind("\n", first, start - 1) + 1 or first
        line = text[line_start:start].strip().removesuffix("\\n")
        if line and not re.fullmatch(r"[A-Za-z0-9+/=\\]{1,200}", line):
            break
        start = line_start
    return start


# ---------------------------------------------------------------------- assignments

# The rules: tokens with a known form, secrets in their context, names that secrets are given.
_TABLE = tomllib.loads((Path(__file__).parent / "secrets.toml").read_text("utf-8"))
_PASSWORD_WORDS, _KEY_WORDS, _SHORT_WORDS = (
    tuple(_TABLE["names"][kind]) for kind in ("passwords", "keys", "endings")
)
_NAMED = "|".join(map(re.escape, (*_PASSWORD_WORDS, *_KEY_WORDS)))
_ASSIGNMENT = re.compile(
    rf"(?P<name>(?:{_NAMED})"
    r"[A-Za-z0-9_.-]{0,60}+"
    r"|(?-i:(?<=[A-Z0-9])(?:_PASS|_PW|_KEY|_PSK|_SALT)(?:_[A-Z0-9]{1,12}){0,2}))"
    r"\\?[\"'\]]{0,2}[ \t]{0,8}(?P<sign>:=|=>|==|!=|=|:)[ \t]{0,8}"
    r"(?:(?:b|r|f|u|rb)?(?P<quote>\\?[\"'`])(?P<quoted>[^\"'`\n\\]{4,800}(?:\\.[^\"'`\n\\]{0,200}){0,9})"
    r"|(?P<plain>[^\s\"'`,;<>(){}\[\]\\]{6,800})(?P<next>[(\[{<]?))",
    re.IGNORECASE,
)
# How names end that are not secrets: TOKEN_URL, password_hint, secretary.
_HARMLESS_NAME = re.compile(
    r"(?:count|counts|limit|limits|type|types|url|uri|endpoint|file|files|path|dir|name|names|ttl"
    r"|expiry|expires|expiration|expires_in|expires_at|length|len|size|policy|field|label|hint"
    r"|column|required|min|max|used|usage|manager|reset|rotation|version|issuer|budget|per_s|rate"
    r"|_?id|ize|ized|izer|less|ary|aries|arial|ly|ive|format|prefix|algorithm|alias|status|enabled"
    r"|scope|scopes|arn|ref|provider|store|input|form|class|env|var|variable)$",
    re.IGNORECASE,
)
_STAND_IN = re.compile(
    r"(?:.{0,20}(?:your|example|placeholder|redacted|masked|withheld|change.?me|insert|replace|dummy"
    r"|\bxxx|\*\*\*|\.\.\.|…|<|\{|%\(|\bfoo\b|todo).{0,800}"
    r"|\$\w{1,60}|%\w{1,60}%?|x{3,}|\*{3,}|•{3,}|none|null|nil|true|false|undefined|str|text|any"
    r"|required|optional|empty|hidden|unknown|value|boolean|integer|varchar.{0,20}"
    # my_password, TEST_TOKEN, newpassword
    r"|(?:(?:my|new|old|the|a|test|testing|wrong|bad|good|valid|invalid|current|confirm|secure|some"
    r"|super|secret|passwords?|passwd|passwort|pass|pw|pwd|tokens?|api|app|auth|access|private|jwt|key"
    r"|db|database|user|users|admin|root|domain|fake|mock|hashed|hash|encrypted|plain|raw|string"
    r"|abc|123|1234|slack|github|here)[_ .-]?){1,8})",
    re.IGNORECASE | re.DOTALL,
)
# os.environ, process.env.KEY, settings.password, self._token: code that names where a secret is.
_REFERENCE = re.compile(
    r"(?:[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,8}|[a-z]+(?:_[a-z]+){1,8}|[a-z]+(?:[A-Z][a-z]+){1,8}"
    r"|[A-Z][a-z]+(?:[A-Z][a-z]+){1,8}|[A-Z]+(?:_[A-Z]+){1,8})[?!]?"
)
_ADDRESS = re.compile(r"(?:https?://|\.{0,2}/|~/|[A-Z]:\\|data:)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d(?:-\d\d)?(?:[T ][\d:.Z+-]*)?")
# Whose passwords people tell on purpose: no machine is asked by it.
_AT_HOME = re.compile(
    r"(?<![a-z]{2})(?:wi-?fi|wlan|hotspot|door|gate|garage|alarm|locker|guest|luggage|suitcase|bike|safe|house"
    r"|apartment|flat|entrance|lock)(?![a-z])[^\n]{0,30}$",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\b(?:passwords?|passwort|passphrase|secret|token|api.?key|access.?key|secret.?key|credentials?)\b"
    r"[^\n:=]{0,40}?\b(?:is|was|ist|to|as|lautet)\s{1,3}[\"'`]?(?P<secret>[^\s\"'`,]{8,200})",
    re.IGNORECASE,
)
_CLASSES = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"), re.compile(r"[^\w.]"))


def _is_assigned_secret(match: re.Match[str]) -> bool:
    """Whether an assignment gives a secret, and neither a stand-in nor the name of one."""
    name, value = match["name"], match["quoted"] or match["plain"]
    start = max(match.start() - 40, 0)
    if match["sign"] in ("==", "!=") or _HARMLESS_NAME.search(name):
        return False
    if _STAND_IN.fullmatch(value) or _ADDRESS.match(value) or _DATE.fullmatch(value):
        return False
    if value.strip("\"'") == name or _AT_HOME.search(match.string, start, match.start()):
        return False
    has_digit = any(letter.isdigit() for letter in value)
    is_password = name.lower().startswith(_PASSWORD_WORDS) or name.lower().startswith(
        ("_pass", "_pw")
    )
    if match["quoted"]:
        spaces = value.count(" ")
        if spaces > 3 or (spaces and (value.endswith((".", "!", "?")) or not has_digit)):
            return False  # a sentence
        return is_password or (not spaces and len(value) >= 8 and (has_digit or _is_random(value)))
    if match["next"]:  # a call: getpass(...), os.environ[...]
        return False
    value = value.rstrip(".!?:|")
    if _REFERENCE.fullmatch(value):
        return False
    if not is_password:
        return len(value) >= 8 and not value.isdigit() and (has_digit or _is_random(value))
    if has_digit or _is_random(value):
        return True
    # A word alone: the value of a file's line. In code and in a sentence it is a name or a word.
    rest = match.string[match.end("plain") :].split("\n", 1)[0].strip(" \t;\"'")
    is_shell = match["sign"] == "=" and match.string[match.end("name")] == "="
    return not rest.startswith((")", ",")) if is_shell else match["sign"] == ":" and not rest


def _is_random(value: str) -> bool:
    """Whether a text looks drawn at random: letters of both cases, digits and signs, mixed."""
    classes = sum(bool(letters.search(value)) for letters in _CLASSES)
    return classes >= 3 and not _REFERENCE.fullmatch(value)


def _is_said_secret(match: re.Match[str]) -> bool:
    """Whether a sentence tells a password as machines have it, not one of a home."""
    value = match["secret"].rstrip(".!?:;)")
    if _AT_HOME.search(match.string, max(match.start() - 40, 0), match.end()):
        return False
    whole = match.string[match.start() : match.start("secret")]
    is_at_home = _AT_HOME.search(whole.rstrip())
    is_named = _STAND_IN.fullmatch(value) or _ADDRESS.match(value)
    return len(value) >= 8 and not is_at_home and not is_named and _is_random(value)


# ---------------------------------------------------------------------- cards

_CARD = re.compile(
    r"(?<![\w.-])(?:\d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}|3[47]\d\d([ -])\d{6}\2\d{5}"
    r"|(?P<whole>\d{15,16}))(?![\w-])"
)
_CARD_WORDS = re.compile(
    r"\b(?:card|visa|mastercard|amex|american express|discover|maestro|credit|debit|kreditkarte"
    r"|cc)\b",
    re.IGNORECASE,
)
_ISSUERS = re.compile(r"4|5[1-5]|2[2-7]|3[47]|6011|65|35")
_TWO_GROUPS = re.compile(r"\d\d\d\d[ -]?\d{4}")
_DIGITS_TO_ZEROS = bytes(ord("0") if chr(byte).isdigit() else byte for byte in range(128)) + bytes(
    128
)


def _has_two_groups(text: str) -> bool:
    """Whether a text has two groups of four digits, as a card number does."""
    if not text.isascii():
        return _TWO_GROUPS.search(text) is not None
    zeros = text.encode().translate(_DIGITS_TO_ZEROS).decode()  # a third of the pattern's time
    return "00000000" in zeros or "0000 0000" in zeros or "0000-0000" in zeros


def _is_card(match: re.Match[str]) -> bool:
    """Whether digits are a payment card's: an issuer's, with the check digit of Luhn (ISO 7812).

    Digits without gaps may be any number: those need a word for a card before them.
    """
    digits = [int(letter) for letter in match[0] if letter.isdigit()]
    if not _ISSUERS.match("".join(map(str, digits))):
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    if (sum(doubled) + sum(digits[-1::-2])) % 10:
        return False
    before = match.string[max(match.start() - 60, 0) : match.start()]
    return not match["whole"] or bool(_CARD_WORDS.search(before))


# ---------------------------------------------------------------------- all rules

Judge = Callable[[re.Match[str]], bool]


@dataclass(frozen=True)
class _Rule:
    """A pattern that runs where a text has one of `words`, and what else its match must be.

    The text also has one of `other_words`, and passes `sign`, if there are any. A match begins with
    one of `starts`, if there are any. All words are in lower case.
    """

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    holds: Judge
    other_words: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    sign: Callable[[str], object] | None = None


def _is_no_stand_in(match: re.Match[str]) -> bool:
    value = match[match.lastgroup or 0]
    return not _STAND_IN.fullmatch(value) and not value.startswith(("[", "$", "{", "%"))


_STAND_IN_OF_TOKEN = re.compile(r"[xX]{6}|0{12}|your|EXAMPLE|1234567890abcdef")


def _is_token(match: re.Match[str]) -> bool:
    """Whether a token is not a stand-in: `sk-your-key-here-000000000000`."""
    return len({*match[0]}) > 7 and not _STAND_IN_OF_TOKEN.search(match[0])


def _pattern(regex: str | list[str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    pattern = regex if isinstance(regex, str) else "|".join(regex)
    for name in ("no_word", "no_run"):
        pattern = pattern.replace(f"{{{name}}}", _TABLE[name])
    return re.compile(pattern, flags)


def _token_rules() -> Iterator[_Rule]:
    for rule in _TABLE["tokens"]:
        yield _Rule(tuple(rule["keywords"]), _pattern(rule["regex"]), _is_token)


def _context_rules() -> Iterator[_Rule]:
    flags = re.IGNORECASE | re.MULTILINE
    for rule in _TABLE["contexts"]:
        sign = re.compile(rule["also"]).search if "also" in rule else None
        keywords, pattern = tuple(rule["keywords"]), _pattern(rule["regex"], flags)
        yield _Rule(keywords, pattern, _is_no_stand_in, sign=sign)
    names = (*_PASSWORD_WORDS, *_KEY_WORDS, *_SHORT_WORDS)
    yield _Rule(_PARTS_OF_NAMES, _ASSIGNMENT, _is_assigned_secret, other_words=names, starts=names)
    yield _Rule(
        ("pass", "secret", "token", "key", "credential"),
        _SAID,
        _is_said_secret,
        other_words=(" is ", " was ", " to ", " as ", " ist ", "lautet"),
        starts=(
            *("password", "passwort", "passphrase", "secret", "token", "api", "access"),
            "credential",
        ),
    )
    yield _Rule(tuple("3456"), _CARD, _is_card, sign=_has_two_groups)


# Each word of an assignment has one of these: few to look for in every text.
_PARTS_OF_NAMES = (
    *("pass", "kennwort", "pwd", "contrase", "senha", "пароль", "密码", "パスワード"),
    *("secret", "token", "key", "credential", "_pw", "_psk", "_salt"),
)
_TOKEN_RULES = tuple(_token_rules())
_CONTEXT_RULES = tuple(_context_rules())


# Signs that few texts have: a word with one is looked for only where the sign stands.
_RARE_SIGNS = '@~$=<"_/:-.'


def _rules_by_word(rules: Sequence[_Rule]) -> dict[str, dict[str, list[int]]]:
    """For each sign and each word with it the numbers of the rules that have this word."""
    numbers: dict[str, dict[str, list[int]]] = {}
    for number, rule in enumerate(rules):
        for word in rule.words:
            sign = next((sign for sign in _RARE_SIGNS if sign in word), "")
            numbers.setdefault(sign, {}).setdefault(word, []).append(number)
    return numbers


_BY_WORD_OF_TOKEN = _rules_by_word(_TOKEN_RULES)
_BY_WORD_OF_CONTEXT = _rules_by_word(_CONTEXT_RULES)
# Text without any of these signs has no secret, whatever a rule says.
_MAY_HOLD_TOKEN = re.compile(r"[A-Za-z0-9+/_.$-]{16}")
_MAY_HOLD = re.compile(
    r"[A-Za-z0-9+/_-]{16}|://|[=:]|\d{4}|pass|secret|token|key|login|credential|cv[vcn]|-u",
    re.IGNORECASE,
)
# Letters that match an ASCII letter where the case is ignored, and are not that letter in lower
# case or are two: with one of them, a match may begin elsewhere than with a rule's words.
_OTHER_CASES = re.compile("[\u0130\u0131\u017f\u212a]")
_SHORTEST_RUN = 12
_LONG_RUN = re.compile(b" [^ ]{%d,}+" % _SHORTEST_RUN)
_TO_RUNS = bytes(
    ord(chr(byte).lower()) if chr(byte).isalnum() or chr(byte) in "+/_.$,=~-" else ord(" ")
    for byte in range(128)
) + bytes(range(128, 256))


def _without_secrets(text: str) -> tuple[str, int]:
    clean, count = text, 0
    if runs := _long_runs(text):
        present = _rules_with_words_in(runs, _BY_WORD_OF_TOKEN)
        clean, count = _without(clean, [_TOKEN_RULES[n] for n in present])
        if count and not _MAY_HOLD_TOKEN.search(text):
            clean, count = text, 0
    lowered = text.lower()
    present = _rules_with_words_in(lowered, _BY_WORD_OF_CONTEXT)
    clean, more = _without(clean, [_CONTEXT_RULES[n] for n in present], lowered)
    count += more
    return (clean, count) if count and _MAY_HOLD.search(text) else (text, 0)


def _long_runs(text: str) -> str:
    """The long runs of characters that tokens have, in lower case, with spaces between them.

    Other characters than ASCII are bytes there, each as a character.
    """
    runs = text.encode("utf-8", "surrogatepass").translate(_TO_RUNS)
    return b"".join(_LONG_RUN.findall(b" " + runs)).decode("latin-1")


def _rules_with_words_in(lowered: str, by_word: dict[str, dict[str, list[int]]]) -> list[int]:
    """The numbers of the rules that have a word in a text, in order."""
    numbers: set[int] = set()
    for sign, words in by_word.items():
        if sign in lowered:
            for word, rules in words.items():
                if word in lowered:
                    numbers.update(rules)
    return sorted(numbers)


def _without(clean: str, rules: Sequence[_Rule], lowered: str = "") -> tuple[str, int]:
    """A text without what these rules find, and how many pieces that was.

    Their words occur in it; `lowered` is the text in lower case, before any rule.
    """
    count = 0
    for rule in rules:
        if rule.other_words and next(_places(rule.other_words, lowered), None) is None:
            continue
        if rule.sign is None or rule.sign(clean):
            clean, hits = _replaced(clean, rule)
            count += hits
    return clean, count


def _replaced(text: str, rule: _Rule) -> tuple[str, int]:
    hits = 0

    def withheld(match: re.Match[str]) -> str:
        nonlocal hits
        if not rule.holds(match):
            return match[0]
        hits += 1
        group = next((name for name in ("secret", "quoted", "plain") if _has(match, name)), "")
        if not group:
            return WITHHELD
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:start] + WITHHELD + match[0][end:]

    if not rule.starts or (not text.isascii() and _OTHER_CASES.search(text)):
        return rule.pattern.sub(withheld, text), hits
    pieces: list[str] = []
    end = 0
    for start in sorted({*_places(rule.starts, text.lower())}):
        match = rule.pattern.match(text, start) if start >= end else None
        if match:
            pieces += [text[end:start], withheld(match)]
            end = match.end()
    return "".join(pieces) + text[end:], hits


def _places(words: tuple[str, ...], lowered: str) -> Iterator[int]:
    """Where these words begin."""
    for part, words_with_part in _words_by_part(words).items():
        place = lowered.find(part)
        while place >= 0:
            for word, before in words_with_part:
                if place >= before and lowered.startswith(word, place - before):
                    yield place - before
            place = lowered.find(part, place + 1)


@cache
def _words_by_part(words: tuple[str, ...]) -> dict[str, list[tuple[str, int]]]:
    """For each part the words that have it, and where in them: 56 names share a few parts."""
    by_part: dict[str, list[tuple[str, int]]] = {}
    for word in words:
        part = next((part for part in _PARTS_OF_NAMES if part in word), word)
        by_part.setdefault(part, []).append((word, word.index(part)))
    return by_part


def _has(match: re.Match[str], name: str) -> bool:
    return name in match.re.groupindex and match[name] is not None
