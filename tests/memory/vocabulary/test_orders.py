"""Standing orders: what is one, and what of it is kept."""

from memory.records import Turn
from memory.vocabulary import INSTRUCTION, default_vocabulary
from memory.vocabulary.orders import order_text, orders_in
from memory.vocabulary.templates import assertions_in
from tests.benchmarks.orders import changes

LEAST_FOUND, MOST_FALSE = 132, 3  # of 160 orders and 40 other sentences; 139 and 2


def test_orders_that_no_fit_has_seen_are_recognised_and_others_are_none() -> None:
    judged = [(example.is_order, bool(orders_in(example.text))) for example in changes()]
    assert sum(is_order and is_found for is_order, is_found in judged) >= LEAST_FOUND
    assert sum(is_found and not is_order for is_order, is_found in judged) <= MOST_FALSE


def test_what_only_says_that_an_order_stands_is_no_part_of_it() -> None:
    assert order_text("From now on, use Celsius please.") == "use Celsius"
    assert order_text("Please round prices going forward.") == "round prices"
    assert order_text("From today on, use Celsius.") == "use Celsius"
    assert order_text("Well-formatted answers, please.") == "Well-formatted answers"


def test_a_request_beside_a_question_is_for_this_answer() -> None:
    assert not orders_in("Can you write to my landlord? Use a polite tone.")
    assert orders_in("What should I cook on Sunday? From now on never suggest fish.")


def kept(text: str) -> list[str]:
    """The orders of a turn, as they are stored."""
    read = assertions_in(Turn("Ann", text), default_vocabulary())
    return [assertion.value for assertion in read if assertion.attribute == INSTRUCTION]


def test_an_order_that_the_next_sentence_takes_back_is_none() -> None:
    assert kept("Always use metric units. Thanks!") == ["Always use metric units"]
    assert not kept("Always use metric units. Just kidding!")
    assert not kept("Always answer in German. No wait, in French.")


def test_code_and_quotations_within_an_order_are_kept_with_it() -> None:
    assert kept("Always use `foo()` in code.") == ["Always use `foo()` in code"]
    both = 'Always use `foo()` in code. Call me "Bob" from now on.'
    assert kept(both) == ["Always use `foo()` in code", 'Call me "Bob"']
    begins = 'Always begin your answers with "{}".'
    assert kept(begins.format("Ahoy")) == ['Always begin your answers with "Ahoy"']
    assert not kept(begins.format("Ahoy, my friend. " * 30)), "it is no order but a text"
