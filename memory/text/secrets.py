"""What a memory does not store: secrets of machines, found by rule, and text in <private> tags.

Keys, tokens, passwords in assignments and addresses, key blocks and payment cards are masked. What
people tell on purpose is not: a door code, a wifi password, a phone number. A rule runs only where
one of its words stands in the text, and its repetitions are bounded, so it takes linear time.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Policy = Literal["mask", "refuse", "off"]
DEFAULT_POLICY: Policy = "mask"

WITHHELD = "[withheld]"
PRIVATE = "[private]"


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
        clean, private, is_private = _without_private(text, is_private)
        count = 0
        if secrets:
            plain = _without_colours(clean)
            plain, count, in_key = _without_keys(plain, in_key)
            plain, more = _without_secrets(plain)
            count += more
            clean = plain if count else clean
        results.append(Masked(clean, count, private))
    return results


def without_private(text: str) -> str:
    """A text without what stands between <private> and </private>, with as many lines."""
    pieces: list[str] = []
    position = 0
    for start, end in _private_spans(text):
        pieces += [text[position:start], PRIVATE, "\n" * text.count("\n", start, end)]
        position = end
    return "".join(pieces) + text[position:] if pieces else text


# ---------------------------------------------------------------------- private text

# A tag in backticks is written about, not used.
_OPENED = re.compile(r"(?<!`)<private>|<private>(?!`)", re.IGNORECASE)
_CLOSED = re.compile(r"</private>", re.IGNORECASE)


def _without_private(text: str, is_private: bool) -> tuple[str, int, bool]:
    """The text that is not private, the number of private pieces, and whether it ends in one."""
    spans = _private_spans(text, is_private)
    if not spans:
        return text, 0, False
    position = 0
    pieces: list[str] = []
    for start, end in spans:
        pieces += [text[position:start], PRIVATE]
        position = end
    ends_private = position == len(text) and not text.lower().endswith("</private>")
    return "".join(pieces) + text[position:], len(spans), ends_private


def _private_spans(text: str, is_private: bool = False) -> list[tuple[int, int]]:
    """Where private text begins and ends, with its tags.

    An opened tag without an end withholds the rest: a slip must not store what was meant to stay
    out.
    """
    spans: list[tuple[int, int]] = []
    if not is_private and (">" not in text or "private>" not in text.lower()):
        return spans
    position = 0
    while True:
        start = position
        if not is_private:
            opened = _OPENED.search(text, position)
            if opened is None:
                return spans
            start, position = opened.span()
        closed = _CLOSED.search(text, position)
        position = closed.end() if closed else len(text)
        spans.append((start, position))
        if closed is None:
            return spans
        is_private = False


# ---------------------------------------------------------------------- colours of terminals

_COLOUR = re.compile(r"(?:\x1b|\\{1,4}(?:u001b|x1b|033|e))\[[\d;?]{0,30}[A-Za-z]", re.IGNORECASE)


def _without_colours(text: str) -> str:
    """The text without a terminal's colours, also written as escapes.

    They stand within tokens, too: `grep` colours what it was asked for.
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
    if in_key:  # lines of it, below a heading and beside lines of the part before
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


# ---------------------------------------------------------------------- tokens with a known form

# (words of which one stands in the text in lower case, the token). Such a word is, or lies in, a
# run of at least _SHORTEST_RUN characters that tokens have (`_long_runs`). What stands before a
# token does not matter: tools print it behind `-`, a letter, a line's number, a colour's code, an
# escaped newline or %20. Only a beginning that words end in (ri`sk-`, mon`key-`) looks there, or
# asks for more: letters of both cases and digits, or the very length.
_NO_WORD = r"(?:(?<![A-Za-z]{2})(?<![A-Za-z]{2}[_-])|(?<=%[0-9A-F]{2}))"
# Long runs of letters and digits, as of a picture in base64, hold these beginnings by chance.
_NO_RUN = r"(?<![A-Za-z0-9+/]{4})"
_FORMS: Sequence[tuple[tuple[str, ...], str]] = (
    (("sk-",),
     rf"(?:{_NO_WORD}sk-|sk-(?:ant|proj|svcacct|admin|or-v1|lf)-)(?=[\w-]{{0,80}}\d)[\w-]{{20,}}"
     r"|sk-(?=[\w-]{0,80}\d)(?=[\w-]{0,80}[A-Z])(?=[\w-]{0,60}?[A-Za-z0-9]{12})[\w-]{20,}"),
    (("sk_", "rk_", "pk_live"), rf"{_NO_WORD}[srp]k_(?:live|test|prod)_[A-Za-z0-9]{{10,}}"
     r"|[srp]k_(?:live|test|prod)_(?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{16,}"),
    (("hsk-", "hsk_"), r"hsk[_-](?=[\w-]{0,80}\d)[\w-]{20,}"),
    (("m0-",), rf"{_NO_WORD}m0-[A-Za-z0-9]{{30,}}|m0-[A-Za-z0-9]{{40}}(?![A-Za-z0-9])"),
    (("whsec_",), r"whsec_[A-Za-z0-9+/=]{20,}"),
    (("akia", "asia", "abia", "acca", "a3t"), r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    (("absk", "bedrock-api"), r"(?:ABSK[A-Za-z0-9+/=]{60,}|bedrock-api-key-[A-Za-z0-9+/=]{20,})"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{30,}"),
    (("github_pat_",), r"github_pat_\w{30,}"),
    (("glpat-", "glptt-", "glrt-", "gldt-", "gloas-", "glft-", "glimt-", "glagent-", "glsoat-",
      "glffct-", "glcbt-"),
     r"gl(?:pat|ptt|rt|dt|oas|ft|imt|agent|soat|ffct|cbt)-[A-Za-z0-9_.-]{18,}"),
    (("xox", "xapp-", "xwfp-"),
     rf"(?:xox[a-z](?:\.xox[a-z])?|(?:xapp|xwfp)-\d|{_NO_WORD}(?:xapp|xwfp))-[A-Za-z0-9-]{{10,}}"),
    (("aiza",), r"AIza[\w-]{30,}"),
    (("ya29.",), r"ya29\.[\w-]{20,}"),
    (("gocspx-",), r"GOCSPX-[\w-]{20,}"),
    (("1//",), r"1//0[\w-]{30,}"),
    (("eyj",),  # within a run that is tried once
     r"(?<![\w-])(?=[\w-]++\.[\w-]{8,}+\.)[\w-]*?(?P<secret>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"),
    (("npm_",), r"npm_[A-Za-z0-9]{30,}"),
    (("pypi-",), r"pypi-AgE[\w-]{40,}"),
    (("rubygems_", "cio"),
     rf"rubygems_[a-f0-9]{{40,}}|{_NO_RUN}cio[A-Za-z0-9]{{32}}(?![A-Za-z0-9])"),
    (("clojars_",), r"CLOJARS_[A-Za-z0-9]{50,}"),
    (("dckr_", "hvs.", "hvb.", "hvr."),
     rf"dckr_(?:pat|oat)_[\w-]{{20,}}|{_NO_WORD}hv[sbr]\.[\w-]{{20,}}|hv[sbr]\.[\w-]{{80,}}"),
    (("atlasv1",), r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}"),
    (("hf_", "api_org_"),
     rf"(?:{_NO_WORD}hf|api_org)_[A-Za-z0-9]{{30,}}|hf_[A-Za-z0-9]{{34}}(?![A-Za-z0-9])"),
    (("sg.",), rf"{_NO_WORD}SG\.[\w-]{{15,}}\.[\w-]{{20,}}|SG\.[\w-]{{22}}\.[\w-]{{43}}"),
    (("key-",), rf"{_NO_WORD}key-[a-f0-9]{{32}}"),
    (("-us", "-eu"), rf"{_NO_RUN}[a-f0-9]{{32}}-(?:us|eu)\d{{1,2}}"),
    (("xkeysib-", "xsmtpsib-"), r"x(?:key|smtp)sib-[a-f0-9]{40,}-[A-Za-z0-9]{10,}"),
    (("sk",), rf"{_NO_WORD}SK[a-f0-9]{{32}}"),
    (("doo_v1_", "dop_v1_", "dor_v1_"), r"do[opr]_v1_[a-f0-9]{40,}"),
    (("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]{1,40}\.)?[A-Za-z0-9]{40,}"),
    (("dapi",), r"dapi[a-f0-9]{32}(?:-\d)?"),
    (("dt0",), r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{60,}"),
    (("shp",), r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{30,}"),
    (("sq0", "eaaa"), rf"sq0[a-z]{{3}}-[\w-]{{20,}}|{_NO_RUN}EAAA[\w-]{{55,}}"),
    (("eaac", "eaab", "eaag", "eaam"), rf"{_NO_RUN}EAA[A-Z][A-Za-z0-9]{{60,}}"),
    (("lin_",), r"lin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    (("secret_", "ntn_"), r"(?:secret_[A-Za-z0-9]{40,}|ntn_[A-Za-z0-9]{30,})"),
    (("figd_",), r"figd_[\w-]{20,}"),
    (("pmak-",), r"PMAK-[a-f0-9]{20,}-[a-f0-9]{30,}"),
    (("nrak-", "nrjs-", "nrii-"), r"NR(?:AK|JS|II)-[A-Za-z0-9_-]{18,}"),
    (("glc_", "glsa_", "glsa"), r"(?:glc_[A-Za-z0-9+/=]{30,}|glsa_[A-Za-z0-9]{30,}_[a-f0-9]{8})"),
    (("sntry",), r"sntry[sua]_[A-Za-z0-9+/=_-]{40,}"),
    (("pul-",), r"pul-[a-f0-9]{40}"),
    (("rnd_", "fo1_"), rf"rnd_[A-Za-z0-9]{{28,}}|{_NO_WORD}fo1_[\w-]{{40,}}"),
    (("fm1", "fm2_"), rf"(?:{_NO_WORD}|(?=\w{{0,80}}\d[A-Z]))fm[12][ar]?_[\w+/=]{{60,}}"),
    (("sbp_", "sb_secret_"), r"(?:sbp_[a-f0-9]{40}|sb_secret_[\w-]{20,})"),
    (("pscale_",), r"pscale_(?:tkn|pw|oauth)_[\w.=-]{30,}"),
    (("r8_", "gsk_", "xai-", "pplx-", "tgp_v1", "nvapi-", "fw_", "csk-"),
     rf"{_NO_WORD}(?:r8|fw)_[A-Za-z0-9]{{20,}}|r8_[A-Za-z0-9]{{37}}(?![A-Za-z0-9])"
     r"|fw_(?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{24}(?![A-Za-z0-9])"
     r"|(?:gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}"
     r"|tgp_v1_[\w-]{30,}|nvapi-[\w-]{40,}|csk-[a-z0-9]{40,})"),
    (("lsv2_",), r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    (("ltai",), r"LTAI[A-Za-z0-9]{16,}"),
    (("akid",), r"AKID[A-Za-z0-9]{32}"),
    (("atatt3", "atctt3", "atbb"), r"(?:AT[AC]TT3[\w=-]{60,}|ATBB[A-Za-z0-9]{20,})"),
    (("a3-",), r"A3-[A-Z0-9]{6}-[A-Z0-9]{6,11}(?:-[A-Z0-9]{5}){3,4}"),
    (("ops_eyj",), r"ops_eyJ[A-Za-z0-9+/=_-]{100,}"),
    (("age-secret-key-",), r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    (("tskey-",), r"tskey-[a-z]{3,12}-[A-Za-z0-9-]{20,}"),
    (("sqlmem_",), r"sqlmem_[\w-]{30,}"),
    (("pat",), r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    (("pat-",), r"pat-(?:na|eu)\d-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}"),
    (("ezak", "eztk"), r"EZ[AT]K[A-Za-z0-9]{50,}"),
    (("flwseck",), r"FLWSECK(?:_TEST|_LIVE)?-[A-Za-z0-9]{12,}(?:-X)?"),
    (("duffel_", "shippo_", "frameio", "fio-u-"),
     r"(?:duffel_(?:test|live)_[\w=-]{30,}|shippo_(?:live|test)_[a-f0-9]{30,}|fio-u-[\w=-]{50,})"),
    (("pnu_",), r"pnu_[A-Za-z0-9]{30,}"),
    (("q~",), r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{30,}"),
    (("akcp", "cmvmd"), r"(?:AKCp[A-Za-z0-9]{60,}|cmVmd[A-Za-z0-9]{50,})"),
    (("b3blbnnzac1rzxk",), r"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=\s]{40,}"),
    (("xprv", "zprv", "yprv"), r"[xyz]prv[1-9A-HJ-NP-Za-km-z]{100,}"),
    (("$2", "$argon2", "$apr1", "$6$", "$5$", "$1$"),
     r"\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{50,}|argon2(?:id|i|d)\$[\w$=,+/.-]{30,}"
     r"|(?:apr1|[156])\$[./A-Za-z0-9]{1,20}\$[./A-Za-z0-9]{20,})"),
)  # fmt: skip

# ---------------------------------------------------------------------- secrets in their context

# The group "secret" is what is withheld. A third pattern is what each match holds and few texts do.
_CONTEXTS: Sequence[tuple[tuple[str, ...], str] | tuple[tuple[str, ...], str, str]] = (
    # An address with a password, and the same as Go's drivers write it.
    (("://",), r"://[^\s:/@\"'<>]{0,100}:(?P<secret>[^\s@\"'<>/]{1,200})@(?=[\w\[])"),
    (("@tcp(", "@unix("), r"\b[\w.-]{1,60}:(?P<secret>[^\s:@/\"']{3,200})@(?:tcp|unix)\("),
    (("sentry",), r"https?://(?P<secret>[a-f0-9]{32})(?::[a-f0-9]{32})?@[\w.-]{1,100}sentry"),
    # Parts of addresses that open something.
    (
        ("hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/+-]{20,200})",
    ),
    (("/api/webhooks/",), r"/api/webhooks/\d{15,22}/(?P<secret>[\w-]{40,100})"),
    (("webhook.office",), r"webhook\.office\.com/webhookb2/(?P<secret>[\w@/-]{30,300})"),
    ((":aa",), r"\d{8,10}:(?P<secret>AA[\w-]{32,36})(?![\w-])"),
    (
        ("token=", "key=", "secret=", "sig=", "signature=", "code=", "password="),
        r"[?&;](?:access_token|auth_token|api_?key|apikey|token|secret|sig|signature|key|code"
        r"|x-amz-signature|x-goog-signature|x-amz-security-token|client_secret|password)"
        r"=(?P<secret>[^&\s\"'#<>`${}]{12,2000})",
    ),
    # Headers.
    (
        ("bearer", "authorization"),
        r"(?:authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:basic|bearer|token|digest)|bearer)"
        r"\s{1,3}[\"']?(?P<secret>[A-Za-z0-9._~+/=:-]{12,4000})",
    ),
    (
        ("cookie",),
        r"(?:set-)?cookie[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
        r"(?P<secret>[\w.-]{1,60}=[^\s;\"']{8,4000}(?:;\s?[\w.-]{1,60}=[^\s;\"']{1,4000}){0,50})",
    ),
    # Command lines.
    (
        ("-u ", "-u=", "--user ", "--user="),
        r"(?<![\w-]{2})(?:-u|--user)[ =][\"']?[^\s:\"']{1,100}:(?P<secret>[^\s\"'@]{3,200})",
    ),
    (("sshpass",), r"sshpass\s+-p\s{0,3}[\"']?(?P<secret>[^\s\"']{3,200})"),
    (
        ("mysql", "mariadb"),
        r"(?:mysql|mariadb)[^\n|;]{0,200}?\s-p(?P<secret>[^\s\"'=-][^\s\"']{2,100})",
    ),
    (
        ("login",),
        r"(?<![A-Za-z]{2})(?:docker|podman|helm|oc|az)\s[^\n|;]{0,60}?\blogin\b[^\n|;]{0,200}?\s-p\s+[\"']?"
        r"(?P<secret>[^\s\"']{4,200})",
    ),
    (
        ("--",),
        r"(?<![\w-]{2})--(?:[a-z]{1,20}-){0,3}(?:password|passwd|passphrase|token|secret|api-?key|access-key)"
        r"(?:[ =]{1,2})[\"']?(?P<secret>[^\s\"'`-][^\s\"'`]{5,500})",
    ),
    # Files of passwords.
    (("machine ", "login "), r"login\s+\S{1,100}\s+password\s+(?P<secret>\S{3,200})"),
    (
        (":",),
        r"^(?:\W{0,8}\d{0,6}\W{1,4})?[\w.*-]{1,100}:(?:\d{2,5}|\*):[\w*-]{1,60}:[\w*.-]{1,60}:(?P<secret>[^\s:]{4,200})$",
        r":(?:\d{2,5}|\*):",
    ),
    (("private-lines",), r"Private-Lines:\s*\d+\s+(?P<secret>[A-Za-z0-9+/=\s]{40,8000})"),
    (('"kty"',), r'"(?:d|k|p|q|dp|dq|qi)"\s*:\s*"(?P<secret>[\w-]{20,2000})"'),
    (
        ("pass", "secret", "token", "key"),
        r"<(?:[a-z]{1,30}[:_-])?(?:password|passwd|secret|token|api_?key|private_?key)>"
        r"(?P<secret>[^<\n]{4,500})</",
    ),
    (
        ("seed", "mnemonic", "recovery"),
        r"(?:seed|mnemonic|recovery)(?:[ _](?:phrase|words|key))?[\"']?\s{0,3}(?:[:=]|is)"
        r"\s{0,3}[\"']?(?P<secret>(?:[a-z]{3,8}[ ,]{1,3}){11,23}[a-z]{3,8})",
    ),
    (
        ("cvv", "cvc", "cvn"),
        r"(?<![A-Za-z]{2})(?:cvv2?|cvc2?|cvn)[\"']?\s{0,3}(?:[:=]|is)?\s{0,3}[\"']?(?P<secret>\d{3,4})\b",
    ),
)  # fmt: skip

# ---------------------------------------------------------------------- assignments

_PASSWORD_WORDS = (
    "password", "passwd", "passwort", "kennwort", "passphrase", "pwd", "contraseña", "contrasena",
    "senha", "mot_de_passe", "motdepasse", "пароль", "密码", "パスワード",
)  # fmt: skip
_KEY_WORDS = (
    "secret", "token", "api_key", "api-key", "api key", "apikey", "access_key", "access-key",
    "accesskey", "private_key", "privatekey", "private-key", "secretkey", "signing_key",
    "encryption_key", "encryptionkey", "master_key", "masterkey", "auth_key", "authkey",
    "account_key", "accountkey", "credential", "license_key", "webhook_key", "deploy_key",
    "service_key", "servicekey", "app_key", "appkey", "ssh_key", "hmac_key", "secret key",
    "access key", "private key", "cookie_key", "session_key",
)  # fmt: skip
# `DB_PASS=`; "pass" alone is a word of many sentences.
_SHORT_WORDS = ("_pass", "_pw", "_key", "_psk", "_salt")
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
# What a name ends in that is no secret itself: TOKEN_URL, password_hint, secretary.
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
    """Whether two groups of four digits stand in a text, as they do in a card's number."""
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

    The text also has one of `other_words`, and passes `sign`, where there are any. A match begins
    with one of `starts`, where there are any. All words are in lower case.
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
    """Whether a token is no stand-in: `sk-your-key-here-000000000000`."""
    return len({*match[0]}) > 7 and not _STAND_IN_OF_TOKEN.search(match[0])


def _form_rules() -> Iterator[_Rule]:
    for words, pattern in _FORMS:
        yield _Rule(words, re.compile(pattern), _is_token)


def _context_rules() -> Iterator[_Rule]:
    for words, pattern, *signs in _CONTEXTS:
        flags = re.IGNORECASE | re.MULTILINE
        sign = re.compile(signs[0]).search if signs else None
        yield _Rule(words, re.compile(pattern, flags), _is_no_stand_in, sign=sign)
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
_FORM_RULES = tuple(_form_rules())
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


_BY_WORD_OF_FORM = _rules_by_word(_FORM_RULES)
_BY_WORD_OF_CONTEXT = _rules_by_word(_CONTEXT_RULES)
# Text without any of these signs has no secret, whatever a rule says.
_MAY_HOLD_TOKEN = re.compile(r"[A-Za-z0-9+/_.$-]{16}")
_MAY_HOLD = re.compile(
    r"[A-Za-z0-9+/_-]{16}|://|[=:]|\d{4}|pass|secret|token|key|login|credential|cv[vcn]|-u",
    re.IGNORECASE,
)
# Letters that match an ASCII letter where the case is ignored, and are not that letter in lower
# case or are two: where one of them stands, a match may begin elsewhere than with a rule's words.
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
        present = _rules_with_words_in(runs, _BY_WORD_OF_FORM)
        clean, count = _without(clean, [_FORM_RULES[n] for n in present])
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
    """The numbers of the rules of which a word stands in a text, in order."""
    numbers: set[int] = set()
    for sign, words in by_word.items():
        if sign in lowered:
            for word, rules in words.items():
                if word in lowered:
                    numbers.update(rules)
    return sorted(numbers)


def _without(clean: str, rules: Sequence[_Rule], lowered: str = "") -> tuple[str, int]:
    """A text without what these rules find, and how many pieces that was.

    Their words stand in it; `lowered` is the text in lower case, as it was before any rule.
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
