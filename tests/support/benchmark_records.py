"""Small questions and chats in the form of LongMemEval and MSC-Self-Instruct, for tests."""

from typing import Any


def longmemeval_question(id_: str = "q-1", **changed: Any) -> dict[str, Any]:
    """A user's two sessions, the later one first, as in the file of evidence sessions alone."""
    return {
        "question_id": id_,
        "question_type": "knowledge-update",
        "question": "Where do I live now?",
        "answer": "Oslo",
        "question_date": "2017/05/30 (Tue) 23:40",
        "haystack_session_ids": ["answer_7_2", "answer_7_1"],
        "haystack_dates": ["2017/05/20 (Sat) 02:21", "2017/04/10 (Mon) 17:50"],
        "haystack_sessions": [
            [
                {"role": "user", "content": "I moved to Oslo.", "has_answer": True},
                {"role": "assistant", "content": "How nice! 1. **Rain**", "has_answer": False},
            ],
            [{"role": "user", "content": "I live in Lyon."}],
        ],
        "answer_session_ids": ["answer_7_2"],
        **changed,
    }


def msc_chat(**changed: Any) -> dict[str, Any]:
    """Two sessions of two people and the question that follows them."""
    return {
        "personas": [["I own a cat."], ["I surf."]],
        "previous_dialogs": [
            {
                "personas": [],
                "dialog": [{"text": "I bought a shell necklace."}, {"text": "In Hawaii?"}],
                "time_num": 7,
                "time_unit": "days",
                "time_back": "7 days 8 hours ago",
            }
        ],
        "dialog": [{"text": "Hello again!", "id": "Speaker 1"}, {"text": "Hi!"}],
        "self_instruct": {"B": "What did I get in Hawaii?", "A": "A shell necklace."},
        **changed,
    }
