"""Which words are committed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.events import Hypothesis, Word
from stt.speech.policy import Commit, CommitPolicy, Cut, PolicyOptions


def agree(*texts: str, language: str | None = None) -> CommitPolicy:
    """A policy that has heard these hypotheses."""
    policy = CommitPolicy()
    for text in texts:
        policy.update(Hypothesis(text, language=language), 1.0)
    return policy


def test_one_hypothesis_commits_nothing() -> None:
    """Nothing is committed before two hypotheses agree."""
    policy = agree("the quick brown")

    assert (policy.committed, policy.tail) == ("", "the quick brown")


def test_agreement_is_committed() -> None:
    """The common prefix of two hypotheses in a row is committed."""
    policy = agree(" the quick brawn", " the quick brown fox")

    assert (policy.committed, policy.tail) == ("the quick", " brown fox")


def test_the_last_word_is_held_back() -> None:
    """Even where two hypotheses agree, the last word is held back (REC-20)."""
    policy = agree("the quick", "the quick")

    assert (policy.committed, policy.tail) == ("the", " quick")


def test_case_and_punctuation_do_not_matter() -> None:
    """Words are compared without case and punctuation; the newer spelling counts."""
    policy = agree("hello, world again", "Hello world. Again and")

    assert (policy.committed, policy.tail) == ("Hello world. Again", " and")


def test_agreement_is_of_the_words_after_the_committed() -> None:
    """Each step compares what comes after the committed words."""
    policy = agree("a b c", "a b c d", "a b c d e", "a b x d e")

    assert (policy.committed, policy.tail) == ("a b c d", " e")


def test_half_a_character_is_not_committed() -> None:
    """A word with bytes that are no character yet is held back, whatever agrees."""
    policy = agree("the \ufffd quick fox", "the \ufffd quick fox")

    assert (policy.committed, policy.tail) == ("the", " \ufffd quick fox")


def test_characters() -> None:
    """Japanese is agreed by characters (REC-13)."""
    policy = agree("今日は天", "今日は天気が", language="ja")

    assert (policy.committed, policy.tail) == ("今日は天", "気が")


def test_glue_is_dropped() -> None:
    """A piece that would glue to the last committed word is dropped, a mark is not (REC-13)."""
    assert agree("the world is", "the world is").committed == "the world"

    glued = agree("the world is", "the world is", "the worldly, is round")
    marked = agree("the world is", "the world is", "the world, is round")

    assert glued.committed + glued.tail == "the world is round"
    assert marked.committed + marked.tail == "the world, is round"


def test_an_engine_without_prefixes() -> None:
    """Where the hypothesis does not start with the committed text, that stays all the same."""
    policy = agree("the quick fox runs", "the quick fox runs")

    assert policy.committed == "the quick fox"
    assert policy.finish(Hypothesis("a thick box runs home")) == "the quick fox runs home"


def test_the_final_starts_with_the_committed() -> None:
    """The final is the committed words and the rest of its hypothesis (REC-26, REC-27)."""
    policy = agree("the quick fox", "the quick fox")

    assert policy.finish(Hypothesis(" the quick dog. ")) == "the quick dog."
    assert (policy.committed, policy.tail) == ("the quick dog.", "")


def test_a_final_without_interims() -> None:
    """Without interims the final is its hypothesis."""
    assert CommitPolicy().finish(Hypothesis("  All of it. ")) == "All of it."


TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "B,", "c.", "the", "木"]), max_size=6).map(" ".join),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, last=st.text(max_size=12), language=st.sampled_from(["en", "ja", None]))
def test_committed_only_grows(texts: list[str], last: str, language: str | None) -> None:
    """Committed text is only ever added to, and the final starts with it (REC-21)."""
    policy = CommitPolicy()
    before = ""

    for text in texts:
        policy.update(Hypothesis(text, language=language), 1.0)
        assert policy.committed.startswith(before)
        before = policy.committed

    final = policy.finish(Hypothesis(last, language=language))
    assert final.startswith(before)
    assert final == final.strip()


# Word times: alignment, and the window's cut.


def spoken(*words: str, length: float = 0.5, probability: float = 0.9) -> Hypothesis:
    """A hypothesis whose words follow one another, each so many seconds long."""
    texts = [words[0], *(f" {word}" for word in words[1:])]
    return Hypothesis(
        "".join(texts),
        words=tuple(
            Word(text, at * length, (at + 1) * length, probability) for at, text in enumerate(texts)
        ),
        language="en",
    )


LETTERS = list("abcdefghijklmnopqrst")


def test_aligned_words_are_committed_at_once() -> None:
    """`aligned` commits what ends half a second before the window does (section 4.1)."""
    policy = CommitPolicy(PolicyOptions(commit="aligned"))

    policy.update(spoken("a", "b", "c", "d"), 2.0)

    assert (policy.committed, policy.tail) == ("a b c", " d")


def test_aligned_does_not_wait_for_agreement() -> None:
    """Words that two hypotheses share, but which end too late, stay open with `aligned`."""
    policy = CommitPolicy(PolicyOptions(commit="aligned"))

    policy.update(spoken("a", "b", "c", length=1.0), 2.5)
    policy.update(spoken("a", "b", "c", length=1.0), 2.5)

    assert policy.committed == "a b"


def test_hybrid_takes_either() -> None:
    """`hybrid` commits what agrees, and aligned words only when they are sure (section 4.1)."""
    sure, unsure = (CommitPolicy(PolicyOptions(commit="hybrid")) for _ in range(2))

    sure.update(spoken("a", "b", "c"), 2.0)
    unsure.update(spoken("a", "b", "c", probability=0.7), 2.0)
    assert (sure.committed, unsure.committed) == ("a b", "")
    unsure.update(spoken("a", "b", "x", probability=0.7), 2.0)

    assert unsure.committed == "a b"


def test_without_times_aligned_means_agreement() -> None:
    """A model without alignment heads gives no times; words are then committed by agreement."""
    policy = CommitPolicy(PolicyOptions(commit="aligned"))

    for _ in range(2):
        policy.update(Hypothesis("a b c", words=(Word("a"), Word(" b"), Word(" c"))), 2.0)

    assert policy.committed == "a b"


def test_a_short_window_is_not_cut() -> None:
    """Up to the soft bound a window keeps everything (REC-22)."""
    policy = CommitPolicy()
    for _ in range(2):
        policy.update(spoken(*LETTERS[:12]), 6.0)

    assert policy.cut(spoken(*LETTERS[:12]).words, 6.0) is None


def test_a_long_window_keeps_two_seconds_of_committed_audio() -> None:
    """Above the soft bound the older committed words leave the window between words (REC-22)."""
    policy = CommitPolicy()
    heard = spoken(*LETTERS[:14])
    for _ in range(2):
        policy.update(heard, 7.0)
    assert policy.committed == "a b c d e f g h i j k l m"

    cut = policy.cut(heard.words, 7.0)

    assert cut is not None
    assert "".join(word.text for word in cut.words) == "a b c d e f g h i"
    assert 4.4 <= cut.at <= 4.5
    assert (policy.before, policy.prefix) == ("a b c d e f g h i ", "j k l m")
    assert policy.committed == "a b c d e f g h i j k l m"


def test_after_a_cut_hypotheses_start_with_what_is_left() -> None:
    """The next hypothesis continues the words in its window, and the text goes on (REC-12)."""
    policy = CommitPolicy()
    heard = spoken(*LETTERS[:14])
    for _ in range(2):
        policy.update(heard, 7.0)
    policy.cut(heard.words, 7.0)

    policy.update(spoken("j", "k", "l", "m", "n", "o"), 3.5)

    assert policy.committed + policy.tail == " ".join(LETTERS[:15])
    assert policy.finish(Hypothesis("j k l m n o p.")) == " ".join(LETTERS[:15]) + " p."


def test_words_without_times_are_taken_to_be_even() -> None:
    """An engine that gives no times still has its windows cut."""
    policy = CommitPolicy()
    heard = Hypothesis(" ".join(LETTERS[:14]), words=tuple(Word(f" {it}") for it in LETTERS[:14]))
    for _ in range(2):
        policy.update(heard, 7.0)

    cut = policy.cut(heard.words, 7.0)

    assert cut is not None
    assert cut.at == pytest.approx(4.4, abs=0.15)
    assert policy.prefix == "j k l m"


def test_at_the_hard_bound_age_commits() -> None:
    """A window above 15 s without agreement commits all but its last three words (REC-23)."""
    policy = CommitPolicy()

    policy.update(spoken(*LETTERS, length=0.8), 16.0)

    assert policy.committed == " ".join(LETTERS[:-3])
    assert policy.cut(spoken(*LETTERS, length=0.8).words, 16.0) is not None


def test_at_the_hard_bound_silence_goes() -> None:
    """A window above 15 s without a word keeps its last two seconds (REC-23)."""
    policy = CommitPolicy()
    policy.update(spoken("a", "b"), 5.0)

    assert policy.cut((), 14.0) is None
    assert policy.cut((), 16.0) == Cut(14.0, ())


def test_where_nothing_was_ever_said_silence_goes_soon() -> None:
    """A window in which nobody was understood keeps its last two seconds at the soft bound."""
    policy = CommitPolicy()

    assert policy.cut((), 6.0) is None
    assert policy.cut((), 6.5) == Cut(4.5, ())


def test_an_engine_without_words_is_not_cut() -> None:
    """Committed words in the window must stay in it where nobody knows their times."""
    policy = agree("a b c", "a b c", language="en")

    assert policy.cut((), 20.0) is None


def test_an_engine_that_does_not_force_is_not_cut() -> None:
    """Where words and committed text differ nobody knows where to cut."""
    policy = CommitPolicy()
    for _ in range(2):
        policy.update(spoken(*LETTERS[:14]), 7.0)

    assert policy.cut(spoken("x", "y", "z", length=2.0).words, 7.0) is None


@settings(max_examples=200, deadline=None)
@given(data=st.data(), commit=st.sampled_from(["agreement", "aligned", "hybrid"]))
def test_nothing_committed_is_lost_or_changed_by_cuts(data: st.DataObject, commit: Commit) -> None:
    """Whatever is heard and cut, committed text only grows and the words that left are its start.

    QM-02, REC-21.
    """
    policy = CommitPolicy(PolicyOptions(commit=commit))
    committed, left = "", ""
    for _ in range(data.draw(st.integers(1, 8))):
        said = data.draw(st.lists(st.sampled_from(["a", "b,", "the", "木."]), max_size=8))
        words = [*policy.prefix.split(), *said]
        heard = spoken(*words, length=data.draw(st.floats(0.1, 2.0))) if words else Hypothesis("")
        seconds = heard.words[-1].end or 0.0 if heard.words else 20.0

        policy.update(heard, seconds)
        cut = policy.cut(heard.words, seconds)

        assert policy.committed.startswith(committed)
        committed = policy.committed
        assert policy.before + policy.prefix == committed
        if cut:
            assert 0 < cut.at < seconds
            left = " ".join([left, *(word.text.strip() for word in cut.words)]).strip()
        assert policy.before.strip() == left
    assert policy.finish(Hypothesis(policy.prefix + " end")).startswith(committed)
