"""The outbox: order, eviction, closing."""

from __future__ import annotations

import threading
from dataclasses import replace

from stt.replies import Degraded, Pong, Problem, Reply, Transcript
from stt_outbox import Closing, Outbox


def interim(text: str, chunk: str = "c") -> Transcript:
    """An interim of a chunk."""
    return Transcript(chunk_id=chunk, committed="", tail=text)


def final(text: str, chunk: str = "c") -> Transcript:
    """The final of a chunk."""
    return Transcript(chunk_id=chunk, committed=text, is_final=True)


def everything(outbox: Outbox) -> list[Reply | Closing]:
    """What the writer would send now."""
    outbox.close()
    taken: list[Reply | Closing] = []
    while not isinstance(reply := outbox.get(0), Closing | None):
        taken.append(reply if isinstance(reply, Pong) else replace(reply, seq=0))
    return taken


def test_replies_leave_in_order() -> None:
    """What was put first is sent first."""
    outbox = Outbox()
    replies = [interim("a"), final("b"), Problem("bad_json", "not JSON")]
    for reply in replies:
        outbox.put(reply)

    assert everything(outbox) == replies


def test_an_interim_takes_the_place_of_its_chunks_older_one() -> None:
    """A slow reader sees the newest interim of each chunk only (W24)."""
    outbox = Outbox()
    for n in range(5):
        outbox.put(interim(f"one {n}", "1"))
        outbox.put(interim(f"two {n}", "2"))

    assert everything(outbox) == [interim("one 4", "1"), interim("two 4", "2")]
    assert outbox.evicted == 8


def test_two_thousand_pongs_displace_nothing() -> None:
    """Unread pongs merge into one, with the newest id (C12, W17, HC5)."""
    outbox = Outbox(bound=4)
    outbox.put(final("kept"))
    for n in range(2000):
        assert outbox.put(Pong(n))

    assert everything(outbox) == [final("kept"), Pong(1999)]


def test_a_full_outbox_loses_interims_never_finals() -> None:
    """When full, the oldest interim goes; every final stays (AD6)."""
    outbox = Outbox(bound=3)
    finals = [final(str(n), str(n)) for n in range(5)]
    for n in range(5):
        outbox.put(interim("lost", f"i{n}"))
        outbox.put(finals[n])

    kept = everything(outbox)

    assert [reply for reply in kept if isinstance(reply, Transcript) and reply.is_final] == finals


def test_finals_alone_overflow_at_four_times_the_bound() -> None:
    """A client that reads nothing is given up when finals alone fill the outbox (W24, RT-23)."""
    outbox = Outbox(bound=2)
    finals = [final("x", str(n)) for n in range(9)]
    for reply in finals[:8]:
        outbox.put(reply)
    assert outbox.put(finals[8])

    assert not outbox.put(final("too late"))
    *kept, problem = everything(outbox)
    assert kept == finals
    assert isinstance(problem, Problem)
    assert problem.code == "slow_consumer"
    assert outbox.get(0) == Closing(1013, "slow_consumer")


def test_closing_sends_what_waits_and_takes_no_more() -> None:
    """After close the rest is sent, then the code of the first close is told."""
    outbox = Outbox()
    outbox.put(final("last"))
    outbox.close(1012, "restart")
    outbox.close(1000)

    assert not outbox.put(final("too late"))
    assert outbox.get(0) == replace(final("last"), seq=1)
    assert outbox.get(0) == Closing(1012, "restart")


def test_a_waiting_writer_is_woken() -> None:
    """`get` waits without polling and wakes when a reply comes."""
    outbox = Outbox()
    got: list[object] = []
    writer = threading.Thread(target=lambda: got.append(outbox.get(10)))
    writer.start()

    outbox.put(final("now"))
    writer.join(5)

    assert got == [replace(final("now"), seq=1)]


def test_an_abandoned_outbox_keeps_nothing() -> None:
    """When the peer is gone nothing waits for it, and the writer is told to stop."""
    outbox = Outbox()
    outbox.put(final("nobody reads"))

    outbox.abandon()

    assert outbox.get(0) == Closing(1006)


def test_numbers_strictly_increase() -> None:
    """`seq` rises with every reply, also where interims were displaced (W25)."""
    outbox = Outbox()
    for n in range(6):
        outbox.put(interim(str(n), str(n % 2)))

    numbers = []
    while isinstance(reply := outbox.get(0), Transcript):
        numbers.append(reply.seq)

    assert numbers == [5, 6]


def test_word_of_the_load_is_the_newest() -> None:
    """A client that does not read hears what is true when it does; nothing else gives way."""
    outbox = Outbox(bound=4)
    outbox.put(Problem("a", "b"))
    for active in (True, False, True):
        outbox.put(Degraded(active))

    assert outbox.get(0) == Problem("a", "b", seq=1)
    assert outbox.get(0) == Degraded(active=True, seq=4)
    assert outbox.get(0) is None
    assert outbox.evicted == 0
