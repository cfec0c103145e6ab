"""AskMemory as a program of DSPy: asked, evaluated, compiled with SIMBA, saved, loaded and traced.

It runs on the packaged model. `python examples/dspy_compile.py openai/gpt-4o-mini` runs on another,
which also writes instructions for GEPA.
"""

import importlib.util
import sys
from pathlib import Path

import dspy

from memory import Memory, Turn, load_model, load_program
from memory.program import answer_score, plain_program

TURNS = [
    Turn("Anna", "I moved to Oslo in March."),
    Turn("Anna", "My cat is called Miso."),
    Turn("Anna", "I play the cello in an orchestra on Tuesdays."),
    Turn("Ben", "My sister Clara lives in Porto."),
    Turn("Ben", "I sold my old motorbike last week."),
    Turn("Ben", "My favourite dish is ramen."),
]
ANSWERS = {
    "Where did Anna move to?": "Oslo",
    "What is Anna's cat called?": "Miso",
    "Which instrument does Anna play?": "the cello",
    "Where does Clara live?": "Porto",
    "What did Ben sell?": "his old motorbike",
    "What is Ben's favourite dish?": "ramen",
}
COMPILED = Path("dspy_compiled.json")


def main(name: str = "local") -> None:
    """Compile the program for the model of this name; print its scores before and after."""
    with Memory("dspy.db") as memory:
        if not memory.search("Oslo", k=1):
            memory.add(TURNS)
    examples = [
        dspy.Example(question=question, memory="dspy.db", answer=answer).with_inputs(
            "question", "memory"
        )
        for question, answer in ANSWERS.items()
    ]
    if importlib.util.find_spec("mlflow"):  # of the extra `bench`
        import mlflow

        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        mlflow.dspy.autolog()

    model = load_model(name)
    with dspy.context(lm=model.lm):
        ask = plain_program(model).with_sql("never").ask
        evaluate = dspy.Evaluate(devset=examples, metric=answer_score, display_progress=False)
        print(ask(question="Which instrument does Anna play?", memory="dspy.db").answer)
        print("as it comes:", evaluate(ask).score)

        simba = dspy.SIMBA(metric=answer_score, bsize=4, num_candidates=2, max_steps=1, max_demos=2)
        compiled = simba.compile(ask, trainset=examples)
        print("SIMBA:", evaluate(compiled).score)
        if name != "local":  # whose context has no room for a reflection
            gepa = dspy.GEPA(metric=answer_score, reflection_lm=model.lm, max_metric_calls=20)
            compiled = gepa.compile(compiled, trainset=examples[:3], valset=examples[3:])
            print("GEPA:", evaluate(compiled).score)

    compiled.save(COMPILED)
    program = load_program(COMPILED)
    with Memory("dspy.db", model=name, program=program) as memory:
        print(memory.ask("Which instrument does Anna play?").text)


if __name__ == "__main__":
    main(*sys.argv[1:])
