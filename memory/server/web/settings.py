"""Settings: each a switch, a menu, a number or a name, with its earlier values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import available_timezones

from memory.program.abstention import BENCHMARK_COST, PEOPLE_COST
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.store import Store
from memory.store.configuration.declared_settings import SettingForm, Settings, as_text
from memory.store.configuration.setting_values import (
    EXPIRY,
    PROMPTS,
    RETENTION_DAYS,
    RETENTION_KEEPS_FACTS,
    TIMEZONE,
    WRONG_ANSWER_COST,
)
from memory.store.configuration.withheld import POLICY
from memory.text.secrets import DEFAULT_POLICY


@dataclass(frozen=True)
class Words:
    """A setting in words: `default` is the value of a memory that has none.

    `choices` are the words of each value; `is_plain`: also whoever writes no programs may set it.
    """

    label: str
    help: str = ""
    default: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    is_plain: bool = True


WORDS: Mapping[str, Words] = {
    "user": Words("Your name", "“I” and “my” in a question mean you."),
    "character": Words("Name of the assistant", "It answers you in the chat."),
    "persona": Words("How the assistant talks", "Such as: warm and brief. For larger models."),
    TIMEZONE: Words("Time zone", "For imported times that name no zone.", choices={"": "Not set"}),
    POLICY: Words(
        "Passwords and keys",
        "What happens to those in what you add.",
        DEFAULT_POLICY,
        {
            "mask": "Leave them out",
            "refuse": "Refuse to store the text",
            "off": "Store them unchanged",
        },
    ),
    WRONG_ANSWER_COST: Words(
        "When the built-in model is unsure",
        "Where it gives no answer, you see what was said nearest to the question.",
        as_text(PEOPLE_COST),
        {
            as_text(0.0): "Always answer",
            as_text(BENCHMARK_COST): "Answer when likely right",
            as_text(PEOPLE_COST): "Rather give no answer",
        },
    ),
    RETENTION_DAYS: Words(
        "Forget what was said after",
        "Empty: never. It is done once a day where “memory serve worker” runs.",
        unit="days",
    ),
    EXPIRY: Words(
        "Forget some of it sooner",
        'Such as {"session scratch": "12h", "tag kind=code": "1d", "attribute door_code": "7d"}.',
        "{}",
        is_plain=False,
    ),
    RETENTION_KEEPS_FACTS: Words(
        "But keep the sources of facts",
        "Age forgets no turn that a fact comes from.",
    ),
    PROMPTS: Words(
        "Length of prompts",
        "Brief ones suit small models.",
        "auto",
        {
            "auto": "By the model",
            "full": "Full",
            "brief": "Brief",
            "short": "Brief, by its older name",
        },
        is_plain=False,
    ),
}


@dataclass(frozen=True)
class Control:
    """A setting on the page: its form, and its current value as text."""

    name: str
    form: SettingForm
    words: Words
    value: str

    @property
    def choices(self) -> dict[str, str]:
        """The values of a menu with their labels, including the current one."""
        choices = {value: self.words.choices.get(value, value) for value in self.form.choices}
        if self.words.choices and not choices:
            choices = dict(self.words.choices)
        if self.name == TIMEZONE:
            choices |= {zone: zone for zone in _zones()}
        if choices and (self.form.is_optional or not self.value):
            choices = {"": "Not set"} | choices
        return {self.value: self.value, **choices} if choices else {}


@cache
def _zones() -> list[str]:
    """The time zones of places, A to Z."""
    return sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")


def settings_page(request: PageRequest, store: Store) -> PageResponse:
    """The settings for everyone, the ones for developers, and their earlier values."""
    settings = Settings(store)
    controls = _controls(settings)
    earlier = [
        (control, past)
        for control in controls
        for past in reversed(settings.history(control.name)[:-1])
    ]
    values = {
        "plain": [control for control in controls if control.words.is_plain],
        "others": [control for control in controls if not control.words.is_plain],
        "earlier": [(control, as_text(past.value), past.set_at) for control, past in earlier],
    }
    return Page("settings.html", values)


def _controls(settings: Settings) -> list[Control]:
    """All current settings: the ones with labels on the page in its order, then a program's."""
    forms, values = settings.forms(), settings.all()
    named = {name: WORDS[name] for name in WORDS if name in forms}
    named |= {name: Words(name, is_plain=False) for name in forms if name not in named}
    return [
        Control(name, forms[name], words, as_text(values.get(name)) or words.default)
        for name, words in named.items()
    ]


def change_settings(request: PageRequest, store: Store) -> PageResponse:
    """Change the settings that differ from what the page showed; none if one is invalid."""
    settings = Settings(store)
    texts = {
        control.name: text
        for control in _controls(settings)
        if (text := request.inputs.text(control.name, control.value)) != control.value
    }
    # All are read before one is stored: a mistake in one field changes nothing.
    values = {name: settings.parsed(name, text) for name, text in texts.items()}
    for name, value in values.items():
        settings.set(name, value)
    return Redirect(request.address("settings"))


def maintenance(request: PageRequest, store: Store) -> PageResponse:
    """The address that this page had once."""
    return Redirect(request.address("settings"))


PAGES: list[PageRoute] = [
    ("GET", "/maintenance", maintenance),
    ("GET", "/settings", settings_page),
    ("POST", "/settings", change_settings),
]
