"""The queue under any sequence of calls, in virtual time: what must hold whatever happens."""

from __future__ import annotations

from collections import defaultdict, deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stt.errors import QueueFull, Superseded
from stt.events import Kind
from stt_ingest import JobQueue
from stt_job import FINALS, Admission, Job, Lane, QueueOptions
from tests.queue_jobs import Clock, by_second, job, tiny

MAX_JOBS = 6
MAX_BYTES = 1000
TAKERS = 2
LANES = {"s1": "t1", "s2": "t1", "s3": "t2", "s4": "t3", "h1": "t2", "h2": "t3"}
FILES = ("f1", "f2", "f3")
PLAN = tiny(max_seconds=0.1)

AUDIO = st.sampled_from([0.5, 0.9, 3.0, 12.0, 28.0])
GROUPS = st.sampled_from([None, None, "prompt"])


class QueueMachine(RuleBasedStateMachine):
    """Enqueue, take, finish, withdraw, let time pass; a model of what waits stands beside."""

    overflow: str = "reject"

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        options = QueueOptions(MAX_JOBS, MAX_BYTES, self.overflow)  # type: ignore[arg-type]
        self.queue = JobQueue(options, takers=TAKERS, clock=self.clock)
        self.queue.plan(PLAN)
        self.ordered: defaultdict[Lane, deque[Job]] = defaultdict(deque)
        self.interims: dict[Lane, Job] = {}
        self.running: list[list[Job]] = []

    # What may happen.

    @rule(
        lane=st.sampled_from(sorted(LANES)),
        seconds=AUDIO,
        group=GROUPS,
        utterance=st.integers(0, 2),
        size=st.integers(0, 600),
    )
    def interim(
        self, lane: str, seconds: float, group: str | None, utterance: int, size: int
    ) -> None:
        """Of a live stream, or a posted chunk with its audio."""
        live = lane.startswith("s")
        self._enqueue(
            job(
                lane,
                tenant=LANES[lane],
                seconds=seconds,
                group=group,
                grows=live,
                utterance=utterance,
                size=0 if live else size,
                heard_as=None if live else Kind.FINAL,
            )
        )

    @rule(
        lane=st.sampled_from(sorted(LANES)),
        kind=st.sampled_from(FINALS),
        seconds=AUDIO,
        group=GROUPS,
        utterance=st.integers(0, 2),
    )
    def final(
        self, lane: str, kind: Kind, seconds: float, group: str | None, utterance: int
    ) -> None:
        """Of a live stream: promised."""
        self._enqueue(
            job(
                lane,
                kind,
                tenant=LANES[lane],
                seconds=seconds,
                group=group,
                utterance=utterance,
                promised=True,
            )
        )

    @rule(lane=st.sampled_from(FILES), seconds=AUDIO, promised=st.booleans())
    def bulk(self, lane: str, seconds: float, promised: bool) -> None:
        """An utterance of a file."""
        self._enqueue(job(lane, Kind.BULK, seconds=seconds, size=200, promised=promised))

    @precondition(lambda self: len(self.running) < TAKERS)
    @rule(limit=st.integers(1, 8))
    def take(self, limit: int) -> None:
        """A worker asks, as long as there is a free one."""
        batch = self.queue.take_now(limit)
        assert len(batch) <= limit
        for taken in batch:
            if taken.kind is Kind.INTERIM:
                assert not self.ordered[taken.lane], "a lane's finals go first"
                assert self.interims.pop(taken.lane) is taken
            else:
                assert self.ordered[taken.lane].popleft() is taken, "finals keep their order"
        if batch:
            self._check_batch(batch)
            self.running.append(batch)
        else:
            self._check_nothing_could_run()

    @precondition(lambda self: self.running)
    @rule(data=st.data(), seconds=AUDIO)
    def finish(self, data: st.DataObject, seconds: float) -> None:
        """A job of a batch is done, whichever."""
        batch = data.draw(st.sampled_from(self.running))
        done = data.draw(st.sampled_from(batch))
        self.queue.charge(done, seconds)
        self.queue.finish(done)
        batch.remove(done)
        self.running = [left for left in self.running if left]

    @rule(lane=st.sampled_from(sorted(LANES)))
    def withdraw(self, lane: str) -> None:
        """A client goes."""
        assert self.queue.withdraw_interim((lane,)) is self.interims.pop((lane,), None)

    @rule(seconds=st.floats(0.0, 2.0) | st.just(12.0))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds

    # What must hold.

    @invariant()
    def what_waits_is_what_was_promised(self) -> None:
        """No job is lost and none is there twice; one waiting interim in a lane at most."""
        assert self.queue.depth == {
            "interim": len(self.interims),
            "ordered": sum(map(len, self.ordered.values())),
            "running": sum(map(len, self.running)),
        }

    def teardown(self) -> None:
        """Everything that was accepted runs in the end."""
        for batch in self.running:
            for done in batch:
                self.queue.finish(done)
        self.running = []
        while any(self.ordered.values()) or self.interims:
            self.take(8)
            assert self.running, "something waits and nothing runs"
            for done in self.running.pop():
                self.queue.finish(done)
        assert self.queue.take_now(8) == []
        assert self.queue.join(0)

    # The model.

    def _enqueue(self, new: Job) -> None:
        before = self.interims.get(new.lane)
        try:
            admission = self.queue.try_enqueue(new)
        except QueueFull:
            assert not new.promised, "a promised job is never refused"
            self._check_full(new)
            return
        except Superseded:
            raise AssertionError("no job of this machine yields") from None
        for victim in admission.dropped:
            assert self.overflow == "drop_oldest"
            assert self.interims.pop(victim.lane) is victim
        self._note(new, before, admission)
        if not new.promised:
            self._check_bounds()

    def _note(self, new: Job, before: Job | None, admission: Admission) -> None:
        if new.kind is Kind.INTERIM:
            assert admission.replaced is before
            self.interims[new.lane] = new
            return
        assert admission.replaced is None
        if before is not None and new.kind in FINALS and before.utterance == new.utterance:
            del self.interims[new.lane]
        self.ordered[new.lane].append(new)

    def _waiting(self) -> list[Job]:
        return [*self.interims.values(), *(each for lane in self.ordered.values() for each in lane)]

    def _check_bounds(self) -> None:
        waiting = self._waiting()
        held = sum(each.size for each in waiting)
        assert len(waiting) <= MAX_JOBS
        assert held <= MAX_BYTES or sum(each.size > 0 for each in waiting) == 1

    def _check_full(self, new: Job) -> None:
        others = [each for each in self._waiting() if each is not self.interims.get(new.lane)]
        held = sum(each.size for each in others)
        assert len(others) + 1 > MAX_JOBS or held + new.size > MAX_BYTES

    def _check_batch(self, batch: list[Job]) -> None:
        lanes = [each.lane for running in [*self.running, batch] for each in running]
        assert len(lanes) == len(set(lanes)), "one job of a lane at a time"
        assert self._bulk([*self.running, batch]) <= TAKERS - 1
        assert len({PLAN.shape(each, self.clock.now) for each in batch}) == 1
        longest = max(PLAN.seconds(each, self.clock.now) for each in batch)
        frames = by_second(batch[0].kind, PLAN.seconds(batch[0], self.clock.now))
        timed = sum(each.window_kind is not Kind.INTERIM for each in batch)
        assert len(batch) == 1 or PLAN.fits(frames, longest, len(batch), timed=timed)

    def _check_nothing_could_run(self) -> None:
        """An idle worker finds what there is (REC-66)."""
        busy = {each.lane for batch in self.running for each in batch}
        bulk = self._bulk(self.running)
        for waiting in self._waiting():
            assert waiting.lane in busy or (waiting.kind is Kind.BULK and bulk >= TAKERS - 1)

    def _bulk(self, batches: list[list[Job]]) -> int:
        """Batches with a file's utterance in them."""
        return sum(any(each.kind is Kind.BULK for each in batch) for batch in batches)


class DropOldestMachine(QueueMachine):
    """The same with the other overflow policy."""

    overflow = "drop_oldest"


TestReject = QueueMachine.TestCase
TestReject.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestDropOldest = DropOldestMachine.TestCase
TestDropOldest.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
