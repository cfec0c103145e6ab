"""A SELECT by all names of its attributes, and its text, which is made once."""

from memory.sql import check_select
from memory.sql.attribute_names import select_by_all_names

SELECT = "SELECT value FROM facts WHERE attribute IN ('job', 'likes') AND attribute <> 'x'"


def test_a_select_is_widened_by_the_names_of_each_vocabulary() -> None:
    select = check_select(SELECT)
    assert "'work'" not in select.render(())
    wider = select_by_all_names(select, lambda name: (name, "work"))
    assert "'work'" in wider.render(())
    assert "'work'" not in select.render(())
    other = select_by_all_names(select, lambda name: (name, "trade"))
    assert "'trade'" in other.render(())


def test_a_select_that_names_all_is_the_same_and_rendered_once() -> None:
    select = check_select(SELECT)
    assert select_by_all_names(select, lambda name: (name,)) is select
    assert select.render(()) is select.render(())
    assert select.render((), "postgres", 7) != select.render((), "postgres", 8)


def test_hits_are_part_of_the_text() -> None:
    select = check_select("SELECT turn_id FROM search('x', 3)")
    assert select.render([[(1, 0.5)]]) != select.render([[(2, 0.5)]])
