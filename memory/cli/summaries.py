"""The command summaries: the story of a memory, as its digests have told it."""

from memory.cli.options import DEFAULT, AsJson, Db, Namespace, open_memory
from memory.cli.output import print_json
from memory.evidence.story import dated_lines
from memory.system.terminal import clean_line, print_clean


def summaries(namespace: Namespace = DEFAULT, db: Db = None, as_json: AsJson = False) -> None:
    """Print what happened, a line for each matter, as a larger model told it at a digest."""
    with open_memory(namespace, db, read_only=True) as store:
        stored = store.summaries()
        lines = dated_lines(store, stored)
    if as_json:
        for summary in stored:
            print_json(vars(summary))
        return
    for line in lines:
        print_clean(clean_line(line))
    if not stored:
        print_clean(
            "no summaries: `memory digest --model NAME` has a larger model tell", error=True
        )
    elif waiting := sum(not summary.text for summary in stored):
        print_clean(f"{waiting} to be told anew by the next digest", error=True)
