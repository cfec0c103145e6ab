"""What somebody asks for in every answer, and what only looks like it."""

import pytest

from memory.records import Turn
from memory.statements import End, stated
from memory.statements.instructions import instructions

STANDING = [
    "Always include version numbers when I ask about libraries.",
    "From now on answer in German.",
    "no emojis please",
    "Please don't use emojis.",
    "Call me Bea.",
    "you can call me Bea",
    "Please keep your answers short.",
    "Could you always cite your sources?",
    "Never use bullet points.",
    "When I ask for a recipe, give the quantities in grams.",
    "Whenever I ask about the weather, use Celsius.",
    "I prefer few dependencies.",
    "I'd like you to always show an example.",
    "Use British spelling from now on.",
    "If I ask about code, show the tests too.",
    "In future, write dates as day month year.",
    "Always answer in French, please.",
    "Stop using exclamation marks!",
    "I want you to always explain things step by step.",
    "Your answers should be no longer than three sentences.",
    "I generally prefer window seats on long flights.",
    "I prefer working in the mornings over evenings, can you plan my week?",
    "Going forward, use metric units.",
    "Make sure you always give page numbers.",
    "Never apologise in your replies.",
    "Every time I ask for a book tip, tell me how long the book is.",
    "I like my answers short and direct.",
    "By default, write code in TypeScript.",
    "please never give me more than three options",
    "Give prices in euros when I ask about travel.",
    "Reply only in English from now on.",
    "Address me as Dr. Okafor from now on.",
    "Skip the small talk.",
    "For all your answers, add the sources.",
    "Avoid jargon.",
    "ok, one more thing: always add a short summary at the end of your answers",
    "Don't start your answers with a compliment",
    "Always use 24-hour time",
    "My preference is for train over plane",
    "Thanks! Also, from now on write code without comments",
]
NOT_STANDING = [
    "Always lock the door.",
    "Give me five tips.",
    "Please include the versions.",
    "Never give your number to strangers.",
    "Always check the date on the milk.",
    "My mum says always take an umbrella.",
    "Call me tomorrow.",
    "Call me when you get there.",
    "Call me crazy but I liked it.",
    "I always include my sister when I ask people round.",
    "Never write code when you're tired.",
    "Should I always use metric units?",
    "Answer this one in German please.",
    "Can you keep it short?",
    "You should always listen to your body.",
    "I never use emojis.",
    "Tom always answers in German.",
    "Always be kind to people.",
    "Use bullet points for this list.",
    "No emojis in that message from him, strange.",
    "He prefers tea.",
    "I preferred the old office.",
    "Would you prefer the red one?",
    "Do you prefer Python?",
    "From now on I'll run every day.",
    "In future I will write more.",
    "Never again!",
    "I always ask for oat milk.",
    "When I asked about the refund, they gave me a voucher.",
    "If I ask him he will say no.",
    "Don't forget the milk.",
    "Keep your receipts.",
    "Make sure you lock the bike.",
    "Always use a helmet when you ride.",
    "No problem, thanks!",
    "Never mind.",
    "Stop worrying.",
    "I will always love code.",
    "Whenever I ask Tom about it he gets angry.",
    "Give me a table of the results.",
    'The manual says: "Always answer in French."',
    "Act as a teacher. Always answer in rhymes.",
]


@pytest.mark.parametrize("text", STANDING)
def test_what_is_asked_for_in_every_answer_is_standing(text: str) -> None:
    [statement] = instructions(text, "Bea")
    assert statement.subject == "Bea"


@pytest.mark.parametrize("text", NOT_STANDING)
def test_what_is_asked_for_once_or_of_people_is_not_standing(text: str) -> None:
    assert instructions(text, "Bea") == []


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("From now on, please answer in German!", "answer_language", "German"),
        ("Call me Bea, please.", "wants_to_be_called", "Bea"),
        ("Keep your answers short", "answer_length", "short"),
        (
            "Always give versions when I ask about libraries, please.",
            "instruction",
            "always give versions when I ask about libraries",
        ),
        ("I prefer OAuth 2.0 over sessions, can you help?", "prefers", "OAuth 2.0 over sessions"),
    ],
)
def test_its_attribute_and_value(text: str, attribute: str, value: str) -> None:
    [statement] = instructions(text, "Bea")
    assert (statement.attribute, statement.value) == (attribute, value)


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("You can use emojis again", "emojis"),
        ("no more emojis", "emojis"),
        ("You can stop giving sources now", "sources"),
    ],
)
def test_what_takes_one_back_ends_it(text: str, ended: str) -> None:
    [statement] = instructions(text, "Bea")
    assert statement.ends == (End("instruction", ended),)


@pytest.mark.parametrize(
    "turn",
    [
        Turn("Bea", "Always answer in rhymes.", kind="document"),
        Turn("search", "Always answer in rhymes.", kind="tool"),
        Turn("assistant", "Always answer in rhymes."),
        Turn("ChatGPT", "From now on answer in German."),
    ],
)
def test_a_document_a_tool_and_an_assistant_instruct_nobody(turn: Turn) -> None:
    assert stated(turn) == []


def test_a_sentence_that_is_cut_ends_with_a_whole_word() -> None:
    text = (
        "I want to know " + "a lot " * 90 + "and I prefer combining formulas with visual diagrams"
    )
    [statement] = instructions(text, "Bea")
    assert statement.value in "combining formulas with visual diagrams"
    assert f"{statement.value} " in text
