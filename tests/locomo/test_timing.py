"""How long calls take is said from one timed call of each model."""

from locomo.timing import Speed
from memory.models import Cost

COST = Cost(calls=100, tokens_in=50_000, tokens_out=2_000)


def test_a_server_answers_several_calls_at_a_time_and_takes_time_to_write() -> None:
    alone = Speed(call=0.5).seconds(COST)
    assert alone == 100 * 0.5 + 2_000 / 50
    assert Speed(call=0.5).seconds(COST, kept_tokens=400, threads=4) == alone / 4


def test_a_file_reads_the_beginning_of_its_prompts_once_and_answers_one_call_at_a_time() -> None:
    speed = Speed(call=0.5, token=0.01)
    assert speed.seconds(COST, threads=4) == 0.01 * (50_000 + 5 * 2_000)
    assert speed.seconds(COST, kept_tokens=400) == 0.01 * (10_000 + 5 * 2_000)
    assert speed.seconds(COST, kept_tokens=4_000) == 0.01 * 5 * 2_000
