"""Many at a time, or one alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dicebeam.components.runtime.turns import Turns


def test_who_shares_is_there_beside_others():
    turns, together = Turns(), threading.Barrier(3, timeout=10)

    def share():
        with turns.shared():
            together.wait()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(share) for _ in range(3)]:
            done.result(10)


def test_who_is_alone_meets_nobody_and_everybody_gets_a_turn():
    turns, inside, met = Turns(), [], []

    def visit(i):
        alone = i % 3 == 0
        with turns.alone() if alone else turns.shared():
            inside.append(i)
            time.sleep(0.001)
            met.append((alone, len(inside)))
            inside.remove(i)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(60)))
    assert len(met) == 60
    assert {count for alone, count in met if alone} == {1}


@pytest.mark.parametrize("how", ["shared", "alone"])
def test_an_error_inside_lets_the_next_in(how):
    turns = Turns()
    with pytest.raises(KeyError), getattr(turns, how)():
        raise KeyError
    with turns.alone(), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    with turns.shared():
        pass
