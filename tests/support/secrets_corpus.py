"""Secrets of 60 kinds as people paste them, and 60 texts that only look like secrets.

The secrets are drawn at random here, so no file holds anything that a scanner would report.
"""

# ruff: noqa: E501

import base64
import string
from random import Random

_random = Random(36)
_HEX = "0123456789abcdef"
_LETTERS = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase + string.digits


def _drawn(count: int, letters: str = _LETTERS) -> str:
    drawn = "".join(_random.choice(letters) for _ in range(count))
    # Real tokens have digits; a short draw may lack them.
    return drawn[:-2] + "7" + drawn[-1]


def _base64(count: int) -> str:
    return base64.b64encode(_random.randbytes(count)).decode()


def _url64(count: int) -> str:
    return base64.urlsafe_b64encode(_random.randbytes(count)).decode().rstrip("=")


def _jwt() -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(b'{"sub":"1234567890","name":"Anna"}').decode().rstrip("=")
    return f"{head}.{body}.{_url64(32)}"


def _key_block(kind: str) -> str:
    lines = _base64(600)
    body = "\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"


def _secrets() -> list[tuple[str, str, str]]:
    """(kind, a text with {} for the secret, the secret)."""
    password = "Tr0ub4dor&3xY"
    return [
        ("OpenAI key", "use {} for now", "sk-proj-" + _url64(60)),
        ("OpenAI key, old", "OPENAI_API_KEY={}", "sk-" + _drawn(48)),
        ("Anthropic key", "export ANTHROPIC_API_KEY={}", "sk-ant-api03-" + _url64(70)),
        ("OpenRouter key", "my key: {}", "sk-or-v1-" + _drawn(64, _HEX)),
        ("Stripe key", "stripe.api_key = '{}'", "sk_live_" + _drawn(24)),
        ("Stripe webhook", "signing secret {}", "whsec_" + _drawn(32)),
        ("AWS key id", "aws configure: {}", "AKIA" + _drawn(16, _UPPER)),
        ("AWS secret", "aws_secret_access_key = {}", _base64(30)),
        ("AWS session", 'AWS_SESSION_TOKEN="{}"', _base64(120)),
        ("GitHub token", "git clone https://{}@github.com/a/b", "ghp_" + _drawn(36)),
        ("GitHub fine-grained", "{}", "github_pat_" + _drawn(82)),
        ("GitLab token", "PRIVATE-TOKEN: {}", "glpat-" + _drawn(20)),
        ("Slack token", "the bot uses {}", "xoxb-" + _drawn(12, string.digits) + "-" + _drawn(24)),
        ("Slack webhook", "curl https://hooks.slack.com/services/{}", "T0AB12CD3/B0XY98ZW7/" + _drawn(24)),
        ("Discord webhook", "https://discord.com/api/webhooks/123456789012345678/{}", _url64(50)),
        ("Google key", "https://maps.example.com/?x=1 {}", "AIza" + _url64(26)),
        ("Google OAuth", "access: {}", "ya29." + _url64(60)),
        ("Google client", '{{"client_secret": "{}"}}', "GOCSPX-" + _url64(21)),
        ("JWT", "the cookie had {}", _jwt()),
        ("Bearer", "curl -H 'Authorization: Bearer {}' https://api.example.com", _drawn(40)),
        ("Basic", "Authorization: Basic {}", base64.b64encode(b"anna:" + password.encode()).decode()),
        ("X-Api-Key", "curl -H 'X-Api-Key: {}'", _drawn(32, _HEX)),
        ("RSA key", "here it is:\n{}\nthanks", _key_block("RSA PRIVATE KEY")),
        ("OpenSSH key", "{}", _key_block("OPENSSH PRIVATE KEY")),
        ("PGP key", "{}", _key_block("PGP PRIVATE KEY BLOCK")),
        ("key in JSON", '"private_key": "{}"', _key_block("PRIVATE KEY").replace("\n", "\\n")),
        ("key, end cut off", "cat id_rsa\n{}", _key_block("RSA PRIVATE KEY")[:500]),
        ("age key", "{}", "AGE-SECRET-KEY-1" + _drawn(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")),
        ("postgres address", "postgresql://app:{}@db.internal:5432/app", password),
        ("mongodb address", "MONGO=mongodb+srv://root:{}@cluster0.ab1cd.mongodb.net/x", "hunter2hunter2"),
        ("redis address", "redis://:{}@10.0.0.3:6379/0", _drawn(24)),
        ("address with slash", "amqp://svc:{}@mq.example.com/vhost", "p4ss%2Fword"),
        ("Go DSN", "root:{}@tcp(127.0.0.1:3306)/shop", "s3cr3tpw"),
        ("JDBC", "jdbc:sqlserver://h:1433;user=sa;password={};encrypt=true", password),
        ("Azure storage", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};", _base64(64)),
        ("Azure SAS", "https://a.blob.core.windows.net/c/f?sv=2022-11-02&sig={}", _url64(33)),
        ("Azure client", "AZURE_CLIENT_SECRET={}", "abC8Q~" + _drawn(34)),
        (".env password", "DB_HOST=db\nDB_PASSWORD={}\nDB_NAME=app", "correcthorsebattery"),
        (".env pass", "SMTP_PASS={}", "wxyz abcd efgh".replace(" ", "-")),
        (".env secret", "DJANGO_SECRET_KEY='{}'", "django-insecure-" + _drawn(40)),
        (".env base", "SECRET_KEY_BASE={}", _drawn(128, _HEX)),
        ("yaml", "database:\n  user: app\n  password: {}\n", "sunflower"),
        ("JSON", '{{"user": "anna", "password": "{}"}}', "let me in 42"),
        ("JSON in JSON", '{{"body": "{{\\"api_key\\": \\"{}\\"}}"}}', _drawn(32)),
        ("Python", "client = Client(api_key='{}')", _drawn(32)),
        ("XML", "<password>{}</password>", "geheim123"),
        ("command line", "deploy --user anna --password {} --force", "Winter2024!"),
        ("curl user", "curl -u anna:{} https://example.com", "pa55word"),
        ("mysql", "mysql -h db -u root -p{} shop", "rootpw99"),
        ("sshpass", "sshpass -p '{}' ssh deploy@10.0.0.1", "deploy99"),
        ("netrc", "machine api.example.com login anna password {}", "netrcpw1"),
        ("pgpass", "db.internal:5432:app:anna:{}", "pgpassw0rd"),
        ("npmrc", "//registry.example.com/:_authToken={}", _drawn(36)),
        ("npm token", "{}", "npm_" + _drawn(36)),
        ("PyPI token", "{}", "pypi-AgEIcHlwaS5vcmc" + _url64(60)),
        ("Hugging Face", "huggingface-cli login --token {}", "hf_" + _drawn(34)),
        ("SendGrid", "{}", "SG." + _url64(16) + "." + _url64(32)),
        ("Twilio", "TWILIO_AUTH_TOKEN: {}", _drawn(32, _HEX)),
        ("Telegram bot", "bot token 1234567890:{}", "AA" + _url64(25)[:33]),
        ("Databricks", "{}", "dapi" + _drawn(32, _HEX)),
        ("DigitalOcean", "doctl auth init -t {}", "dop_v1_" + _drawn(64, _HEX)),
        ("Shopify", "{}", "shpat_" + _drawn(32, _HEX)),
        ("Vault", "VAULT_TOKEN={}", "hvs." + _url64(70)),
        ("Terraform", "{}", _drawn(14) + ".atlasv1." + _drawn(67)),
        ("Sentry", "dsn: https://{}@o12345.ingest.sentry.io/678", _drawn(32, _HEX)),
        ("bcrypt", "anna's row: {}", "$2b$12$" + _drawn(53)),
        ("one-time codes", "otpauth://totp/Shop:anna?secret={}&issuer=Shop", _drawn(32, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
        ("session cookie", "Cookie: sessionid={}; theme=dark", _drawn(32)),
        ("JWK", '{{"kty": "RSA", "n": "abc", "d": "{}"}}', _url64(64)),
        ("seed phrase", "seed phrase: {}", "witch collapse practice feed shame open despair creek road again ice least"),
        ("WireGuard", "[Interface]\nPrivateKey = {}\n", _base64(32)),
        ("card", "pay with {} please", "4111 1111 1111 1111"),
        ("card, no gaps", "my visa is {}", "4012888888881881"),
        ("said", "The database password is {}, please remember", "Xy7$kk2!pQ"),
        ("set to", "I set the admin password to {}", "N3w-Adm1n-Pw!"),
        ("Mem0 key", "{}", "m0-" + _drawn(40)),
        ("Hindsight key", "{}", "hsk-" + _drawn(32)),
        ("own token", "MEMORY_TOKEN={}", "sqlmem_" + _url64(32)),
    ]  # fmt: skip


def _look_alikes() -> list[str]:
    return [
        _drawn(40, _HEX),  # a commit
        f"fixed in {_drawn(7, _HEX)} and {_drawn(12, _HEX)}",
        f"sha256:{_drawn(64, _HEX)}",
        f"md5 {_drawn(32, _HEX)}  archive.tar.gz",
        f"image: app@sha256:{_drawn(64, _HEX)}",
        f'"integrity": "sha512-{_base64(64)}"',
        f"github.com/pkg/errors v0.9.1 h1:{_base64(32)}",
        "order 123e4567-e89b-12d3-a456-426614174000",
        "ULID 01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "Order number: 4000123412341234",
        "order no. 302-1234567-1234567",
        "Tracking: 1Z999AA10123456784",
        "booking reference X7K9QP",
        "Call me at +47 912 34 567 or (555) 123-4567.",
        "IBAN DE89 3704 0044 0532 0130 00",
        "ISBN 978-3-16-148410-0",
        "invoice 1234 5678 9012 3456",
        f"data:image/png;base64,{_base64(300)}",
        f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{_base64(33)} anna@laptop",
        "-----BEGIN PUBLIC KEY-----\n" + _base64(90) + "\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\n" + _base64(90) + "\n-----END CERTIFICATE-----",
        'key = os.environ["KEY"]',
        'api_key = os.environ["OPENAI_API_KEY"]',
        'password = os.getenv("DB_PASSWORD")',
        "const token = process.env.GITHUB_TOKEN;",
        "token: ${{ secrets.GITHUB_TOKEN }}",
        "password: ${DB_PASSWORD}",
        "DB_PASSWORD=$DB_PASSWORD docker compose up",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer <your token>",
        "api_key=YOUR_API_KEY",
        'api_key="sk-xxxxxxxxxxxxxxxxxxxxxxxx"',
        "Set OPENAI_API_KEY to your key, it begins with sk-...",
        "def login(user: str, password: str) -> Token:",
        "password: SecretStr = Field(...)",
        "self.password = hashed",
        "create(name, password=hashed, token=token)",
        "client.login(password=password, token=self.token)",
        "access_token = response.json()['access_token']",
        "password = getpass.getpass()",
        'if password == "" or token is None:',
        "max_tokens: 128000",
        "token_count = 4096, tokens_used=123456",
        "TOKEN_URL=https://auth.example.com/oauth2/token",
        "password_hint: the usual place",
        "primary key: order_id, foreign key = customer_number",
        "The secret to good bread: time and patience.",
        "Her secretary: Annabella Miller",
        "I forgot my password: what now?",
        "Password manager: 1Password2024 edition",
        "My door code is 4711#, please remember it.",
        "The wifi password is Sunflower42!",
        "Wi-Fi password: Sunflower42!",
        "The alarm PIN is 2580 and the safe opens with 17-42-08.",
        "My passport number is C01X00T47.",
        "risk-adjusted-return-on-capital-2024-report",
        "task-runner-configuration-2024-final-version",
        "https://github.com/a/b/commit/" + _drawn(40, _HEX),
        "https://docs.example.com/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit?tab=t.0",
        "postgresql://user:password@localhost/app",
        "postgresql://$USER:$PASSWORD@localhost/app",
        "ethereum 0x71C7656EC7ab88b098defB751B7401B5f6d8976F",
        "transaction 0x" + _drawn(64, _HEX),
        "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKBPZv",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334 and 00:1B:44:11:3A:B7",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=PLrAXtmErZgOeiKm4sgNOknGvNjby9efdf",
        "The password must have 8 characters: letters, digits and signs.",
        "I set the password to something I can remember.",
        "jquery-3.7.1.min.js app.4f3c2b1a9d8e7f60.chunk.css",
        '{"id": "chatcmpl-' + _drawn(29) + '", "object": "chat.completion"}',
        "tool call call_" + _drawn(24) + " of message msg_" + _drawn(24),
        "Cookies: chocolate chip, 200 g butter",
    ]


# What tools print right before a text: letters, signs, escapes, colours, the numbers of lines.
EDGES = [
    "x", "AB", "-", "_", "+", "my-", "a.", "A=", "`", "b'", "&quot;",
    "\\n", "\\t", "\\r\\n", "\\\\n", "\\n-", "\\n+", "%20", "%3D", "%0A", "%C2%AB",
    "\x1b[31m", "\x1b[01;31m\x1b[K", "\\u001b[1m", "\\033[0;32m", "\\x1b[38;5;12m",
    "12", "12:", "12-", "   12\t", "    12→", "12 | ", "123456",
]  # fmt: skip
# Tokens that a form of their own finds, whatever stands beside them.
TOKENS = {
    "AWS": "AKIA" + _drawn(16, _UPPER),
    "OpenAI project": "sk-proj-" + _url64(60),
    "OpenAI": "sk-" + _drawn(48),
    "Anthropic": "sk-ant-api03-" + _url64(70),
    "OpenRouter": "sk-or-v1-" + _drawn(64, _HEX),
    "Stripe": "sk_live_" + _drawn(24),
    "Stripe restricted": "rk_test_" + _drawn(24),
    "Stripe webhook": "whsec_" + _drawn(32),
    "GitHub": "ghp_" + _drawn(36),
    "GitHub fine-grained": "github_pat_" + _drawn(82),
    "GitLab": "glpat-" + _drawn(20),
    "Slack": "xoxb-" + _drawn(12, string.digits) + "-" + _drawn(24),
    "Slack app": "xapp-1-" + _drawn(30),
    "Google": "AIza" + _url64(26),
    "Google OAuth": "ya29." + _url64(60),
    "Google client": "GOCSPX-" + _url64(21),
    "JWT": _jwt(),
    "npm": "npm_" + _drawn(36),
    "PyPI": "pypi-AgEIcHlwaS5vcmc" + _url64(60),
    "Hugging Face": "hf_" + _drawn(34),
    "SendGrid": "SG." + _url64(16) + "." + _url64(32),
    "Mailgun": "key-" + _drawn(32, _HEX),
    "Mailchimp": _drawn(32, _HEX) + "-us12",
    "Twilio": "SK" + _drawn(32, _HEX),
    "Databricks": "dapi" + _drawn(32, _HEX),
    "DigitalOcean": "dop_v1_" + _drawn(64, _HEX),
    "Shopify": "shpat_" + _drawn(32, _HEX),
    "Square": "EAAA" + _url64(45),
    "Facebook": "EAAC" + _drawn(100),
    "Vault": "hvs." + _url64(70),
    "crates.io": "cio" + _drawn(32),
    "Replicate": "r8_" + _drawn(37),
    "Groq": "gsk_" + _drawn(52),
    "Fireworks": "fw_" + _drawn(24),
    "Fly": "fm2_" + _drawn(80),
    "Linear": "lin_api_" + _drawn(40),
    "Airtable": "pat" + _drawn(14) + "." + _drawn(64, _HEX),
    "Azure client": "abC8Q~" + _drawn(34),
    "bcrypt": "$2b$12$" + _drawn(53),
    "Mem0": "m0-" + _drawn(40),
    "Hindsight": "hsk-" + _drawn(32),
    "own": "sqlmem_" + _url64(32),
}

SECRETS = _secrets()
LOOK_ALIKES = _look_alikes()
