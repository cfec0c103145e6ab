"""Small records in the forms of other benchmarks, for tests."""

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


def halumem_user(**changed: Any) -> dict[str, Any]:
    """Two sessions of a user who moves between them, and a question after each."""
    lives, moved = "Ines Roth lives in Lyon.", "Ines Roth has moved to Oslo."
    return {
        "uuid": "user-1",
        "persona_info": "Name: Ines Roth; Gender: Female; Birth Date: 1990-01-01;",
        "sessions": [
            _halumem_session("Sep 04, 2025, 21:41:03", "I live in Lyon.", lives, "Where?", "Lyon"),
            _halumem_session(
                "Dec 15, 2025, 06:11:23",
                "I moved to Oslo.",
                moved,
                "What is the dog of Ines Roth called?",
                "That was not mentioned.",
                question_type="Memory Boundary",
                evidence=[],
            ),
        ],
        **changed,
    }


def _halumem_session(
    start: str, said: str, memory: str, question: str, answer: str, **changed: Any
) -> dict[str, Any]:
    asked = {
        "question": question,
        "answer": answer,
        "evidence": [{"memory_content": memory, "memory_type": "Event Memory"}],
        "difficulty": "easy",
        "question_type": "Basic Fact Recall",
        **changed,
    }
    return {
        "start_time": start,
        "end_time": start.replace(":03", ":59"),
        "dialogue": [
            {"role": "user", "content": said, "timestamp": start, "dialogue_turn": 0},
            {"role": "assistant", "content": "I see.", "timestamp": start, "dialogue_turn": 0},
        ],
        "memory_points": [{"index": 1, "memory_content": memory, "importance": 0.75}],
        "questions": [asked],
    }


def numbered_facts(**changed: Any) -> dict[str, Any]:
    """Three facts of which the last overrules the first, and a question, of MemoryAgentBench."""
    return {
        "context": "Here is a list of facts:\n0. Rilo lives in the city of Lyon.\n"
        "1. Mato plays judo.\n2. Rilo lives in the city of Oslo.",
        "questions": ["In which city does Rilo live?"],
        "answers": [["Oslo", "Kristiania"]],
        "metadata": {"source": "factconsolidation_sh_6k", "qa_pair_ids": ["factconsolidation_0"]},
        **changed,
    }


def beam_message(id_: int, text: str, role: str = "user", anchor: str = "") -> dict[str, Any]:
    """A message of a chat; a user's ends with the marker of the plan."""
    marker = f" ->-> 1,{id_}" if role == "user" else ""
    return {
        "role": role,
        "id": id_,
        "content": text + marker,
        **({"time_anchor": anchor, "question_type": "main_question"} if anchor else {}),
    }


def beam_chat() -> list[dict[str, Any]]:
    """Two batches of a user who builds an allotment planner."""
    return [
        {
            "batch_number": 1,
            "time_anchor": "March-15-2024",
            "turns": [
                [
                    beam_message(0, "I start an allotment planner in Elm.", anchor="March-15-2024"),
                    beam_message(1, "Good. Begin with a list of beds.", role="assistant"),
                ],
                [
                    beam_message(2, "Always name the latin names when I ask about plants."),
                    beam_message(3, "I will.", role="assistant"),
                ],
            ],
        },
        {
            "batch_number": 2,
            "turns": [
                [
                    beam_message(4, "The planner has 12 beds now.", anchor="April-02-2024"),
                    beam_message(5, "Well done.", role="assistant"),
                ]
            ],
        },
    ]


def beam_questions() -> dict[str, list[dict[str, Any]]]:
    """Questions of four abilities about `beam_chat`, with all shapes of evidence and gold."""
    return {
        "information_extraction": [
            {
                "question": "In which language do I write the planner?",
                "answer": "Elm",
                "source_chat_ids": [0],
                "rubric": ["LLM response should state: Elm"],
            }
        ],
        "knowledge_update": [
            {
                "question": "How many beds does my planner have?",
                "answer": 12,
                "source_chat_ids": {"original_info": [0], "updated_info": [4, 4]},
                "rubric": ["LLM response should state: 12 beds"],
            }
        ],
        "event_ordering": [
            {
                "question": "In which order did I bring up aspects of my planner?",
                "answer": "1) the language 2) the beds",
                "source_chat_ids": [0, 4],
                "rubric": ["The language", "The beds"],
            }
        ],
        "abstention": [
            {
                "question": "Which beds did my neighbour like?",
                "ideal_response": "There is no information on the neighbour.",
                "rubric": ["there is no information on the neighbour"],
            }
        ],
    }
