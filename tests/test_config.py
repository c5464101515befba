"""The settings: what the environment may say, and how a bad value is reported."""

from __future__ import annotations

import os

import pytest

from stt.errors import SettingError
from stt_config import Setting, Settings, table, unknown_names, usable_cores

SETTINGS = list(table().values())

BAD = {
    "STT_HOST": "two words",
    "STT_PORT": "0",
    "STT_API_KEYS": "key-without-tenant",
    "STT_ALLOW_OPEN": "maybe",
    "STT_ALLOWED_ORIGINS": "https://example.org/path",
    "STT_STRICT_TENANT": "2",
    "SESSION_TTL_SECONDS": "two hours",
    "STT_ENGINE": "vosk",
    "STT_STRICT_MODEL": "very",
    "STT_DEVICE": "tpu",
    "STT_COMPUTE_TYPE": "int4",
    "STT_LANGUAGE": "English",
    "STT_STEP_MS": "10",
    "STT_ENDPOINT_MS": "0.6",
    "STT_ENDPOINT_BY_TEXT": "perhaps",
    "STT_STALL_S": "-1",
    "STT_COMMIT": "never",
    "STT_FINAL": "worst",
    "STT_WINDOW_S": "30",
    "STT_VAD": "webrtc",
    "STT_VAD_MARGIN_DB": "nan",
    "STT_ENCODER_CONTEXT": "half",
    "STT_FAKE_DELAY_MS": "-1",
    "STT_NUM_WORKERS": "0",
    "STT_MAX_BATCH": "0",
    "STT_ADMISSION": "maybe",
    "STT_MAX_QUEUE_SIZE": "1_000",
    "STT_MAX_QUEUE_BYTES": "256MB",
    "STT_QUEUE_OVERFLOW_POLICY": "drop_newest",
    "STT_ENQUEUE_WAIT_S": "inf",
    "STT_REJECT_STATUS": "503",
    "STT_MAX_SESSIONS": "many",
    "STT_MAX_UPLOADS": "21",
    "STT_MAX_CONTENT_LENGTH": "0",
    "STT_MAX_UPLOAD_BYTES": "128MB",
    "STT_SSE_KEEPALIVE_S": "0.5",
    "STT_MAX_MESSAGE_BYTES": "1",
    "STT_MAX_AUDIO_S": "0",
    "STT_AUDIO_RATE": "0.5",
    "STT_AUDIO_BURST_S": "none",
    "STT_FINALIZE_TIMEOUT_S": "0",
    "STT_MAX_SESSION_S": "0",
    "STT_WS_IDLE_TIMEOUT_S": "0",
    "STT_WS_PING_INTERVAL_S": "0",
    "STT_WS_SEND_TIMEOUT_S": "0",
    "STT_OUTBOX_SIZE": "0",
    "STT_HEADER_TIMEOUT_S": "-1",
    "STT_BODY_TIMEOUT_S": "1e9",
    "STT_STORE": "mysql://localhost/hark",
    "STT_TRANSCRIPT_TTL_S": "0",
    "STT_MAX_CHUNKS_PER_TENANT": "0",
    "STT_GRACEFUL_TIMEOUT_S": "0",
    "STT_SWITCH_INTERVAL_S": "0",
    "STT_LOG_LEVEL": "loud",
}
ANYTHING_GOES = {"STT_MODEL", "STT_MODEL_PROFILE"}  # only whoever loads the model can tell


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingError) as caught:
        Settings.from_env(environ)
    return str(caught.value)


def by_name(setting: Setting) -> str:
    return setting.name


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing set: every setting has its default, as ``Settings()`` has."""
    settings = Settings.from_env({})

    assert settings == Settings()
    assert (settings.host, settings.port, settings.model) == ("127.0.0.1", 5055, None)
    assert settings.num_workers == usable_cores() >= 1


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the environment of the process counts."""
    monkeypatch.setenv("STT_PORT", "5040")

    assert Settings.from_env().port == 5040


def test_every_default_is_allowed() -> None:
    """A default that somebody types out is accepted and means the same."""
    for name, setting in table().items():
        if setting.default in (None, ()):
            continue
        text = str(int(setting.default)) if setting.default is False else str(setting.default)

        assert setting.read(text) == setting.default, name


@pytest.mark.parametrize("setting", SETTINGS, ids=by_name)
def test_a_bad_value_is_refused_by_name(setting: Setting) -> None:
    """The message has the variable, the value and what is allowed (native section 15)."""
    if setting.name in ANYTHING_GOES:
        return
    value = BAD[setting.name]

    message = refusal({setting.name: value})

    shown = "(not shown)" if setting.secret else repr(value)
    assert message == f"{setting.name}={shown}: must be {setting.allowed}"


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.aliases], ids=by_name)
def test_an_older_name_is_read_and_the_new_one_wins(setting: Setting) -> None:
    """An ``STT_`` name wins over its alias (native section 15)."""
    for alias in setting.aliases:
        assert setting.find({alias: "old"}) == (alias, "old")
        assert setting.find({alias: "old", setting.name: "new"}) == (setting.name, "new")
        assert setting.find({alias: "old", setting.name: " "}) == (alias, "old")


def test_the_message_names_the_alias_that_was_used() -> None:
    """Who set FLASK_PORT reads about FLASK_PORT."""
    message = refusal({"FLASK_PORT": "70000"})

    assert message.startswith("FLASK_PORT='70000' (another name of STT_PORT): must be a whole")


@pytest.mark.parametrize(
    "value", ["interim=31", "interim=2,interim=3", "both=2", "final=", "final", "5,final=10", "nan"]
)
def test_an_encoder_context_that_makes_no_sense_is_refused(value: str) -> None:
    """Each kind at most once, and seconds within what a model can take (recognition section 5)."""
    assert refusal({"STT_ENCODER_CONTEXT": value}).startswith(f"STT_ENCODER_CONTEXT='{value}': ")


def test_all_bad_settings_are_reported_together() -> None:
    """One start shows every mistake, one line each."""
    message = refusal({name: value for name, value in BAD.items() if name != "STT_HOST"})

    assert [line.split("=")[0] for line in message.splitlines()] == [
        n for n in BAD if n != "STT_HOST"
    ]


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("WHISPER_MODEL", "small", "model", "small"),
        ("STT_MODEL", "models/my model", "model", "models/my model"),
        ("STT_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("STT_STRICT_TENANT", "Yes", "strict_tenant", True),
        ("STT_STRICT_TENANT", "off", "strict_tenant", False),
        ("STT_REJECT_STATUS", "200", "reject_status", 200),
        ("STT_ENCODER_CONTEXT", "FULL", "encoder_context", "full"),
        ("STT_ENCODER_CONTEXT", "7.5", "encoder_context", "7.5"),
        ("STT_ENCODER_CONTEXT", "Interim=2, final=auto", "encoder_context", "interim=2,final=auto"),
        ("STT_ENCODER_CONTEXT", "final=full", "encoder_context", "final=full"),
        ("STT_MODEL_PROFILE", "my profiles/a.json", "model_profile", "my profiles/a.json"),
        ("STT_COMMIT", "Hybrid", "commit", "hybrid"),
        ("STT_FINAL", "best", "final", "best"),
        ("STT_ENDPOINT_BY_TEXT", "off", "endpoint_by_text", False),
        ("STT_STALL_S", "0", "stall_s", 0.0),
        ("STT_WINDOW_S", "4", "window_s", 4.0),
        ("STT_STORE", "memory:", "store", "memory:"),
        ("PORT", "8080", "port", 8080),
        ("STT_API_KEYS", "a:b:alice, c:bob,", "api_keys", (("a:b", "alice"), ("c", "bob"))),
        (
            "CORS_ALLOWED_ORIGINS",
            "http://Example.org:80/, null, *",
            "allowed_origins",
            ("http://example.org:80", "null", "*"),
        ),
    ],
)
def test_good_values_are_read(variable: str, text: str, field: str, value: object) -> None:
    """Words in any case, lists with blanks, and older names are understood."""
    assert getattr(Settings.from_env({variable: text}), field) == value


@pytest.mark.parametrize("keys", [":alice", "key:", "one:a,one:b", "a b:alice", ",", "key:a b"])
def test_bad_keys_are_refused_and_never_shown(keys: str) -> None:
    """A secret in a bad value does not reach the log."""
    message = refusal({"STT_API_KEYS": keys})

    assert message.startswith("STT_API_KEYS=(not shown)")
    assert "such as KEY1:alice,KEY2:bob" in message


def test_keys_are_not_in_the_repr() -> None:
    """Settings can be logged (AV5)."""
    settings = Settings.from_env({"STT_API_KEYS": "s3cret:alice"})

    assert "s3cret" not in repr(settings)


def test_an_open_door_to_the_network_is_refused() -> None:
    """No keys and a host others can reach: no start, unless it is said aloud (HT-AUTH, RT-53)."""
    assert refusal({"STT_HOST": "0.0.0.0"}).startswith("STT_HOST='0.0.0.0': must be a loopback")
    assert refusal({"FLASK_HOST": "::"}).startswith("FLASK_HOST='::'")

    assert Settings.from_env({"STT_HOST": "0.0.0.0", "STT_ALLOW_OPEN": "1"}).allow_open
    assert Settings.from_env({"STT_HOST": "0.0.0.0", "STT_API_KEYS": "k:t"}).host == "0.0.0.0"


@pytest.mark.parametrize(
    "name", ["WHISPER_SERVER_USE", "WHISPER_SERVER", "WHISPER_MODEL_FAST", "WHISPER_MODEL_SMART"]
)
def test_what_is_not_built_is_refused(name: str) -> None:
    """Older names are not ignored where that would change what somebody gets (native 15.3, B25)."""
    assert refusal({name: "tiny"}) == f"{name}='tiny': not supported in this version; unset it"
    assert Settings.from_env({name: "false"}) == Settings()


def test_slips_of_the_pen_are_found() -> None:
    """A variable with our prefix that is no setting is reported, with the nearest name."""
    environ = {"STT_MAX_QUEUE": "5", "STT_XYZZY": "1", "STT_URL": "ws://x", "STT_PORT": "1"}

    assert unknown_names(environ) == [
        "STT_MAX_QUEUE is set but is no setting; did you mean STT_MAX_QUEUE_SIZE?",
        "STT_XYZZY is set but is no setting",
    ]


def test_usable_cores_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no core mask, all cores count."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)

    assert usable_cores() == 1
