"""Calls in the background: their threads are used again, except while a cancelled call still blocks one."""

from __future__ import annotations

import threading

import pytest

from stableidentity_core.background import call_in_background


class Cancelled(Exception):
    pass


def nothing() -> None:
    pass


def fail() -> None:
    raise ValueError("of the call")


def test_threads_are_used_again_also_after_an_error():
    first = call_in_background(threading.get_ident, nothing)
    with pytest.raises(ValueError, match="of the call"):
        call_in_background(fail, nothing)
    assert first != threading.get_ident()
    assert {call_in_background(threading.get_ident, nothing) for _ in range(3)} == {first}


def test_a_cancelled_call_keeps_its_thread_and_the_next_one_has_another():
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    threads = []

    def blocked() -> str:
        threads.append(threading.current_thread())
        began.set()
        go_on.wait(60)
        ended.set()
        return "of the cancelled call"

    def cancel() -> None:
        assert began.is_set()
        raise Cancelled

    with pytest.raises(Cancelled):
        call_in_background(blocked, cancel)
    assert call_in_background(threading.current_thread, nothing) is not threads[0]
    go_on.set()
    assert ended.wait(60)
    assert call_in_background(lambda: "of the next", nothing) == "of the next"
    threads[0].join(60)
    assert not threads[0].is_alive()


def test_calls_at_the_same_time_do_not_wait_for_each_other():
    both = threading.Barrier(2)
    found = []

    def meet() -> int:
        both.wait(60)
        return threading.get_ident()

    callers = [threading.Thread(target=lambda: found.append(call_in_background(meet, nothing))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert len(set(found)) == 2
