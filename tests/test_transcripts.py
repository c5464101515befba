"""Tests of reading, popping, deleting, listing and counting transcripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.doors import SESSION_TTL, House, build

EMPTY = {"chunk_id": "-1", "transcript": ""}
SENTENCES = {"1": "Hello there. How are", "2": "You doing today? fine"}  # SN1


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build()
    yield house
    house.store.close()


@pytest.fixture(name="closed")
def _closed() -> Iterator[House]:
    """With keys: `ka` is alice's, `kb` is bob's."""
    house = build({"ka": "alice", "kb": "bob"})
    yield house
    house.store.close()


def of(chunk_id: str | None, transcript: str) -> dict[str, str | None]:
    """The usual answer."""
    return {"chunk_id": chunk_id, "transcript": transcript}


def test_get_answers_by_id(house: House) -> None:
    """The text of the asked chunk (native RD1, AL6)."""
    house.keep({"5": "five", "a b": "odd", "a/b": "slash"})

    assert house.get("/get_transcript?chunk_id=5") == of("5", "five")
    assert house.get("/transcripts/5?tenant_id=0000") == of("5", "five")
    assert house.get("/transcripts/a%20b") == of("a b", "odd")
    assert house.get("/transcripts/a%2Fb") == of("a/b", "slash")


def test_get_without_data_says_minus_one(house: House) -> None:
    """ "-1" if the tenant has nothing, the asked id otherwise (native RD1, RD13, B30)."""
    nothing = house.get("/get_transcript?chunk_id=5")
    house.keep({"1": "one"})

    assert nothing == EMPTY
    assert house.get("/get_transcript?chunk_id=5") == of("5", "")
    assert house.get("/get_transcript") == of(None, "")
    assert house.get("/get_transcript?chunk_id=1&tenant_id=other") == EMPTY
    assert house.get("/get_transcript?chunk_id=01") == of("01", "")


def test_one_chunk_is_read_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many chunks a tenant has, a known or unknown one costs the same (native RD1)."""
    house.keep({"1": "one", "2": "two"})
    monkeypatch.setattr(house.store, "chunks", None)

    assert house.get("/get_transcript?chunk_id=1") == of("1", "one")
    assert house.get("/transcripts/3") == of("3", "")
    assert house.get("/get_transcript?chunk_id=1&tenant_id=other") == EMPTY


@pytest.mark.parametrize("state", ["failed", "dropped"])
def test_a_lost_chunk_says_so(house: House, state: str) -> None:
    """Failed and dropped audio is visible where the chunk has no text (native TR13, QU7, B26)."""
    house.recorder.states = {("0000", "5"): state, ("0000", "1"): state}

    alone = house.get("/get_transcript?chunk_id=5")
    house.keep({"1": "one"})

    assert alone == EMPTY | {"status": state}
    assert house.get("/get_transcript?chunk_id=5") == of("5", "") | {"status": state}
    assert house.get("/get_transcript?chunk_id=1") == of("1", "one")


@pytest.mark.parametrize("state", ["processing", "silent", "done"])
def test_other_states_add_no_key(house: House, state: str) -> None:
    """The keys of RD1 are exact where nothing was lost (native RD1)."""
    house.recorder.states = {("0000", "5"): state}

    assert house.get("/get_transcript?chunk_id=5") == EMPTY


def test_first_is_the_smallest_from_on(house: House) -> None:
    """By value, from inclusive (native RD2, B14)."""
    house.keep({"10": "ten", "9": "nine", "100": "hundred"})

    assert house.get("/get_first_transcript") == of("9", "nine")
    assert house.get("/transcripts/first?from=10") == of("10", "ten")
    assert house.get("/get_first_transcript?from=101") == EMPTY


def test_latest_is_the_largest_below_until(house: House) -> None:
    """By value, until exclusive (native RD4, B12)."""
    house.keep({"10": "ten", "9": "nine", "100": "hundred"})

    assert house.get("/get_latest_transcript") == of("100", "hundred")
    assert house.get("/transcripts/latest?until=100") == of("10", "ten")
    assert house.get("/get_latest_transcript?until=9") == EMPTY


def test_no_until_means_no_upper_bound(house: House) -> None:
    """Ids of a client whose clock is ahead are seen (native RD11, RD17, B12)."""
    house.keep({"8888888888888": "a", "9999999999999": "b"})

    assert house.get("/get_latest_transcript") == of("9999999999999", "b")
    assert house.get("/get_latest_transcript?until=9999999999999999") == of("9999999999999", "b")
    assert list(house.get("/list_transcripts")) == ["8888888888888", "9999999999999"]
    assert house.get("/transcripts_size?until=" + "9" * 200) == {"size": 2}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_pops_remove_what_they_answer(house: House, method: str) -> None:
    """First and latest, by GET and by DELETE, then EMPTY (native RD3, RD5, B13, B28)."""
    house.keep({"2": "two", "10": "ten", "1": "one"})

    answers = [
        house.http.open(path, method=method).get_json()
        for path in ("/pop_latest_transcript", *["/pop_first_transcript"] * 3)
    ]

    assert answers == [of("10", "ten"), of("1", "one"), of("2", "two"), EMPTY]
    assert house.texts() == {}


def test_pops_of_the_newer_names(house: House) -> None:
    """DELETE /transcripts/first and /latest pop within bounds (native AL4, AL5)."""
    house.keep({"1": "one", "2": "two", "3": "three"})

    assert house.http.delete("/transcripts/first?from=2").get_json() == of("2", "two")
    assert house.http.delete("/transcripts/latest?until=3").get_json() == of("1", "one")
    assert house.http.delete("/transcripts/latest?until=1").get_json() == EMPTY
    assert house.texts() == {"3": "three"}


@pytest.mark.parametrize("path", ["/pop_first_transcript", "/delete_transcript?chunk_id=1"])
def test_a_head_request_removes_nothing(house: House, path: str) -> None:
    """An answer without a body must not lose a text."""
    house.keep({"1": "one"})

    assert house.http.head(path).status_code == 200
    assert house.texts() == {"1": "one"}


def test_two_pops_never_give_the_same_text(house: House) -> None:
    """Pops from several threads hand out every chunk exactly once (native B9)."""
    house.keep({str(number): f"text {number}" for number in range(40)})
    given: list[str] = []

    def pop() -> None:
        client = house.app.test_client()
        while (text := client.get("/pop_first_transcript").get_json()["transcript"]) != "":
            given.append(text)

    threads = [threading.Thread(target=pop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(given) == sorted(f"text {number}" for number in range(40))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/delete_transcript?chunk_id={}"), ("DELETE", "/delete_transcript?chunk_id={}"),
     ("DELETE", "/transcripts/{}")],
)  # fmt: skip
def test_delete_answers_the_removed_text(house: House, method: str, path: str) -> None:
    """The text under its id; later the id alone, never "-1" (native RD6, AL6)."""
    house.keep({"1": "one", "x": "odd"})

    answers = [
        house.http.open(path.format(chunk), method=method).get_json() for chunk in ("x", "x", "9")
    ]

    assert answers == [of("x", "odd"), of("x", ""), of("9", "")]
    assert house.texts() == {"1": "one"}


def test_delete_without_an_id_deletes_nothing(house: House) -> None:
    """`null` under chunk_id, and all chunks stay (native RD6)."""
    house.keep({"1": "one"})

    assert house.get("/delete_transcript") == of(None, "")
    assert house.get("/delete_transcript?chunk_id=" + "x" * 300)["transcript"] == ""
    assert house.texts() == {"1": "one"}


def test_a_deleted_chunk_does_not_come_back(house: House) -> None:
    """A job older than the delete changes nothing, even where no text was there yet (B27, RE5)."""
    from stt.store.base import Stored

    house.get("/delete_transcript?chunk_id=1")
    house.store.put(Stored("0000", "1", "late", ticket=1)).result(5)

    assert house.texts() == {}


def test_list_is_an_object_in_order(house: House) -> None:
    """Keyed by id, by value, both bounds inclusive (native RD7, RD16, AL2, client 7)."""
    house.keep({"10": "ten", "9": "nine", "100": "hundred"})

    assert house.http.get("/list_transcripts").text == (
        '{"9": {"transcript": "nine"}, "10": {"transcript": "ten"}, '
        '"100": {"transcript": "hundred"}}\n'
    )
    assert list(house.get("/transcripts?from=9&until=10")) == ["9", "10"]
    assert house.get("/list_transcripts?from=101") == {}
    assert house.get("/list_transcripts?tenant_id=none") == {}


def test_size_counts_what_list_shows(house: House) -> None:
    """Both bounds inclusive; nothing is 0 (native RD8, AL3)."""
    house.keep({"10": "ten", "9": "nine", "100": "hundred"})

    assert house.get("/transcripts_size") == {"size": 3}
    assert house.get("/transcripts/count?from=9&until=10") == {"size": 2}
    assert house.get("/transcripts_size?tenant_id=none") == {"size": 0}


@pytest.mark.parametrize(
    ("path", "name"),
    [("/get_first_transcript", "from"), ("/pop_first_transcript", "from"),
     ("/get_latest_transcript", "until"), ("/pop_latest_transcript", "until"),
     ("/list_transcripts", "from"), ("/list_transcripts", "until"), ("/transcripts_size", "from"),
     ("/transcripts/first", "from"), ("/transcripts/count", "until")],
)  # fmt: skip
def test_a_bad_number_is_400(house: House, path: str, name: str) -> None:
    """Its sentence names the parameter; nothing is removed (native RD10, B13)."""
    house.keep({"1": "one"})

    answer = house.http.get(f"{path}?{name}=abc")

    assert answer.status_code == 400
    assert answer.get_json() == {
        "message": f"Query parameter '{name}' must be an integer, got 'abc'"
    }
    assert house.texts() == {"1": "one"}


@pytest.mark.parametrize("number", ["", "1.5", "1e3", "0x1", "1_0", "٣", "9" * 5000])
def test_what_is_no_integer_is_never_500(house: House, number: str) -> None:
    """Odd spellings are refused, however long (native RD10, HT4)."""
    assert house.http.get("/list_transcripts", query_string={"from": number}).status_code == 400


def test_ids_that_are_no_numbers_come_last(house: House) -> None:
    """In first, latest, list and size they follow the numbers, unless bounded (RD12, DM9, C13)."""
    house.keep({"b": "be", "2": "two", "a": "ah", "x1": "ex"})

    assert list(house.get("/list_transcripts")) == ["2", "b", "a", "x1"]
    assert house.get("/get_latest_transcript") == of("x1", "ex")
    assert house.get("/get_first_transcript") == of("2", "two")
    assert list(house.get("/list_transcripts?from=0")) == ["2"]
    assert house.get("/get_latest_transcript?until=5") == of("2", "two")
    assert house.get("/transcripts_size?until=5") == {"size": 1}
    assert house.get("/transcripts/a") == of("a", "ah")


# Sentences: C2 to C9, one per endpoint.

ON = ["true", "True", "TRUE", "1"]
OFF = ["false", "0", "", None]


def flagged(path: str, flag: str | None) -> str:
    """The path with or without the flag."""
    return path if flag is None else f"{path}{'&' if '?' in path else '?'}sentences={flag}"


CUT = {
    "/get_transcript?chunk_id=1": of("1", "Hello there."),
    "/get_first_transcript": of("1", "Hello there."),
    "/pop_first_transcript": of("1", "Hello there."),
    "/get_latest_transcript": of("2", "How are you doing today? fine"),
    "/pop_latest_transcript": of("2", "How are you doing today? fine"),
    "/delete_transcript?chunk_id=2": of("2", "How are you doing today? fine"),
    "/list_transcripts": {
        "1": {"transcript": "Hello there."},
        "2": {"transcript": "How are you doing today? fine"},
    },
}
RAW = {
    "/get_transcript?chunk_id=1": of("1", SENTENCES["1"]),
    "/get_first_transcript": of("1", SENTENCES["1"]),
    "/pop_first_transcript": of("1", SENTENCES["1"]),
    "/get_latest_transcript": of("2", SENTENCES["2"]),
    "/pop_latest_transcript": of("2", SENTENCES["2"]),
    "/delete_transcript?chunk_id=2": of("2", SENTENCES["2"]),
    "/list_transcripts": {key: {"transcript": text} for key, text in SENTENCES.items()},
}


@pytest.mark.parametrize("path", CUT)
def test_sentences_is_a_flag(house: House, path: str) -> None:
    """true, True, TRUE, 1 re-cut; false, 0 and absent do not (native RD14, C2-C8, C10)."""
    for flag in ON:
        house.keep(SENTENCES)
        assert house.get(flagged(path, flag)) == CUT[path]
        house.get("/delete_transcript?chunk_id=1")
        house.get("/delete_transcript?chunk_id=2")
    for flag in OFF:
        house.keep(SENTENCES)
        assert house.get(flagged(path, flag)) == RAW[path]


def test_size_counts_sentences(house: House) -> None:
    """The merged entries are counted (native SN11, C9)."""
    house.keep({"1": "one", "2": "two", "3": "three"})

    assert [house.get(flagged("/transcripts_size", flag))["size"] for flag in ON] == [1] * 4
    assert [house.get(flagged("/transcripts_size", flag))["size"] for flag in OFF] == [3] * 4


def test_sentences_go_by_id_not_by_arrival(house: House) -> None:
    """10 stored before 9 is still read after it (native SN8, B14)."""
    house.keep({"10": "three.", "9": "one two"})

    assert house.get("/list_transcripts?sentences=1") == {"10": {"transcript": "One two three."}}


def test_bounds_apply_to_the_merged_entries(house: House) -> None:
    """Merging runs over all chunks first (native RD14)."""
    house.keep(SENTENCES)

    assert house.get("/get_first_transcript?sentences=true&from=2")["transcript"].startswith("How")
    assert house.get("/get_transcript?sentences=true&chunk_id=3") == of("3", "")


def test_popping_sentences_yields_each_word_once(house: House) -> None:
    """What was returned is removed from every chunk that gave it, the rest stays (SN10, B29)."""
    house.keep(SENTENCES)

    first = house.get("/pop_first_transcript?sentences=true")
    rest = house.texts()
    others = [house.get("/pop_first_transcript?sentences=true") for _ in range(2)]

    assert first == of("1", "Hello there.")
    assert rest == {"1": "How are", "2": "You doing today? fine"}
    assert others == [of("2", "How are you doing today? fine"), EMPTY]


def test_deleting_a_sentence_leaves_the_others(house: House) -> None:
    """Delete and pop_latest take the words of their entry and no more (native SN10, RD6)."""
    house.keep(SENTENCES)

    removed = house.http.delete("/transcripts/2?sentences=1").get_json()

    assert removed == of("2", "How are you doing today? fine")
    assert house.texts() == {"1": "Hello there."}


# Sources, keys and headers.


def session(house: House, source: str, **headers: str) -> str:
    """The tenant of a new session."""
    answer = house.http.post("/session", json={"source": source}, headers=headers)
    assert answer.status_code == 200
    return str(answer.get_json()["tenant_id"])


def test_source_means_its_newest_session(house: House) -> None:
    """?source= reads the tenant of the newest session of that source (native RD15, AL10)."""
    session(house, "mic")
    newest, other = session(house, "mic"), session(house, "file")
    house.keep({"1": "spoken"}, newest)
    house.keep({"1": "read"}, other)

    assert house.get("/get_first_transcript?source=mic") == of("1", "spoken")
    assert house.get("/list_transcripts?source=file") == {"1": {"transcript": "read"}}
    assert house.get(f"/get_first_transcript?source=mic&tenant_id={other}") == of("1", "read")
    assert house.http.delete("/transcripts/first?source=mic").get_json() == of("1", "spoken")


@pytest.mark.parametrize("source", ["mic", "file", "url", "stdin", "youtube", "unspecified"])
def test_a_source_without_session_has_no_data(house: House, source: str) -> None:
    """The "no data" answer of each endpoint (native RD15)."""
    house.keep({"1": "of the default tenant"})

    assert house.get(f"/get_transcript?source={source}&chunk_id=1") == EMPTY
    assert house.get(f"/pop_first_transcript?source={source}") == EMPTY
    assert house.get(f"/delete_transcript?source={source}&chunk_id=1") == of("1", "")
    assert house.get(f"/list_transcripts?source={source}") == {}
    assert house.get(f"/transcripts_size?source={source}") == {"size": 0}


def test_a_session_is_forgotten_in_time(house: House) -> None:
    """The pointer of a source lives SESSION_TTL_SECONDS (native AL10)."""
    house.keep({"1": "spoken"}, session(house, "mic"))

    house.clock.now += SESSION_TTL - 1
    before = house.get("/transcripts_size?source=mic")
    house.clock.now += 1

    assert before == {"size": 1}
    assert house.get("/transcripts_size?source=mic") == {"size": 0}


def test_an_unknown_source_is_400(house: House) -> None:
    """Its sentence names the sources (native RD15)."""
    answer = house.http.get("/get_transcript?source=microphone")

    assert answer.status_code == 400
    assert answer.get_json()["message"].startswith(
        "Invalid source 'microphone'. Must be one of: ['mic', 'file', 'url', 'stdin'"
    )


def test_the_key_decides_what_is_read(closed: House) -> None:
    """With keys on, no tenant_id and no source reaches another's transcripts (HT-AUTH, AL11)."""
    alice, bob = {"Authorization": "Bearer ka"}, {"Authorization": "Bearer kb"}
    assert session(closed, "mic", **alice) == "alice"
    closed.keep({"1": "private"}, "alice")
    closed.keep({"1": "bob's"}, "bob")

    assert closed.http.get("/get_first_transcript").status_code == 401
    assert closed.get("/get_first_transcript?tenant_id=alice", **bob) == of("1", "bob's")
    assert closed.get("/get_first_transcript?source=mic", **bob) == EMPTY
    assert closed.get("/get_first_transcript?source=mic", **alice) == of("1", "private")
    assert closed.http.delete("/transcripts/1?tenant_id=alice", headers=bob).get_json() == of(
        "1", "bob's"
    )
    assert closed.texts("alice") == {"1": "private"}


PATHS = [
    "/get_transcript", "/get_first_transcript", "/pop_first_transcript", "/get_latest_transcript",
    "/pop_latest_transcript", "/delete_transcript", "/list_transcripts", "/transcripts_size",
    "/transcripts", "/transcripts/count", "/transcripts/first", "/transcripts/latest",
    "/transcripts/1", "/list_transcripts?from=abc",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_read_may_be_cached(house: House, path: str) -> None:
    """Every GET says no-store, errors included (native HT5, B28)."""
    assert house.http.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PATHS[:-1])
@pytest.mark.parametrize(
    "query",
    ["chunk_id=%ff%fe", "tenant_id=%00", "tenant_id=" + "t" * 300, "chunk_id=" + "9" * 5000,
     "chunk_id=%ed%a0%80&tenant_id=%ed%a0%80"],
)  # fmt: skip
def test_no_query_is_a_server_error(house: House, path: str, query: str) -> None:
    """Illegal ids find nothing (native DM8, RD12, C13, B13)."""
    house.keep({"abc": "odd", "1": "one"})

    assert house.http.get(f"{path}?{query}").status_code == 200


def test_delete_by_get_needs_the_older_name(house: House) -> None:
    """GET /transcripts/<id> reads; a DELETE of a reading path is 405 (native HT2)."""
    house.keep({"1": "one"})

    refused: Any = house.http.delete("/get_transcript?chunk_id=1")

    assert refused.status_code == 405
    assert refused.get_json() == {"message": "The method is not allowed for the requested URL."}
    assert house.texts() == {"1": "one"}
