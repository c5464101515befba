"""Which words are committed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stt.events import Hypothesis
from stt.speech.policy import LocalAgreement


def agree(*texts: str, language: str | None = None) -> LocalAgreement:
    """A policy that has heard these hypotheses."""
    policy = LocalAgreement()
    for text in texts:
        policy.update(Hypothesis(text, language=language))
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
    assert LocalAgreement().finish(Hypothesis("  All of it. ")) == "All of it."


TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "B,", "c.", "the", "木"]), max_size=6).map(" ".join),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, last=st.text(max_size=12), language=st.sampled_from(["en", "ja", None]))
def test_committed_only_grows(texts: list[str], last: str, language: str | None) -> None:
    """Committed text is only ever added to, and the final starts with it (REC-21)."""
    policy = LocalAgreement()
    before = ""

    for text in texts:
        policy.update(Hypothesis(text, language=language))
        assert policy.committed.startswith(before)
        before = policy.committed

    final = policy.finish(Hypothesis(last, language=language))
    assert final.startswith(before)
    assert final == final.strip()
