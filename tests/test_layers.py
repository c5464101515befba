"""The floors of the house: who may import whom, and how long a module and a function may be (AG1).

A module's row is the longest prefix in ``MAY_IMPORT`` that fits its name. Imports for type checking
alone do not count (AR3).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.own import ROOT, own

PLACES = (
    "*.py",
    "stt/**/*.py",
    "api/**/*.py",
    "dialects/*.py",
    "stt_client/*.py",
    "stt_wyoming/*.py",
    "benchmarks/**/*.py",
)

FLOOR_0 = (
    "stt.events", "stt.errors", "stt.replies", "stt.ids", "stt.addresses", "stt.costs", "stt.mel",
    "stt.context_setting",
)  # fmt: skip
RUNTIME = (
    "session_manager", "stt_batches", "stt_chunks", "stt_dispatch", "stt_due", "stt_file",
    "stt_hearings", "stt_in_flight", "stt_ingest", "stt_intake", "stt_job", "stt_load",
    "stt_metering", "stt_order", "stt_outbox", "stt_parting", "stt_recorder", "stt_recording",
    "stt_session", "stt_stall", "stt_submission", "stt_surroundings", "stt_tenants", "stt_timers",
    "stt_track", "stt_tracks", "stt_voice",
)  # fmt: skip
SIBLINGS = (
    "stt.audio.pcm", "stt.metrics", "stt.pace", "stt.timeline", "stt.served", "stt.sources",
)  # fmt: skip
SEAMS = ("stt.protocols.base", "stt.store.base")
DOORWAY = (
    *FLOOR_0, *RUNTIME, *SEAMS, *SIBLINGS, "stt.protocols", "stt.auth", "stt.formats", "stt.audio",
    "stt.sentences", "stt.manual",
)  # fmt: skip
EVERYTHING = ("",)

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "stt": FLOOR_0,  # AL1, and siblings in one file
    "stt.speech": (*FLOOR_0, "stt.speech"),  # AL2
    "stt.audio": (*FLOOR_0, "stt.audio"),
    "stt.engines": (*FLOOR_0, "stt.engines"),  # AL3
    "stt.store": (*FLOOR_0, "stt.store"),
    "stt.protocols": (*FLOOR_0, "stt.protocols", "stt.speech.options"),
    "stt.manual": ("stt.shapes", "stt.curl"), "stt.curl": ("stt.shapes",),
    # The runtime from its leaves up; floor 0 and the vocabulary of its neighbours, no more.
    "stt_tenants": (), "stt_timers": (), "stt_stall": ("stt_timers",),
    **dict.fromkeys(("stt_job", "stt_outbox"), FLOOR_0),
    "stt_parting": (*FLOOR_0, "stt_outbox"),
    "stt_batches": (*FLOOR_0, "stt_job"),
    "stt_order": (*FLOOR_0, "stt_job", "stt_batches", "stt_tenants"),
    "stt_ingest": (*FLOOR_0, "stt_job", "stt_batches", "stt_order"),  # AL4
    "stt_intake": (*FLOOR_0, "stt_in_flight", "stt.protocols.base"),
    "stt_load": (*FLOOR_0, "stt_job", "stt_batches"),
    "stt_workers": (*FLOOR_0, "stt_ingest", "stt_job", "stt.engines.base"),  # AL5
    "stt_surroundings": (
        *FLOOR_0, "stt_ingest", "stt_timers", "stt.pace", "stt.store.base", "stt.speech.options",
    ),
    "stt_submission": (
        *FLOOR_0, "stt_ingest", "stt_job", "stt_surroundings", "stt.speech.options",
    ),
    "stt_track": (
        *FLOOR_0, "stt.audio.pcm", "stt.timeline", "stt.protocols.base", "stt.speech",
    ),
    "stt_tracks": (*FLOOR_0, "stt_track"),
    "stt_due": ("stt_timers", "stt_track", "stt.speech.chunk"),
    "stt_chunks": (*FLOOR_0, "stt_track", "stt.protocols.base", "stt.speech.chunk"),
    "stt_voice": (
        *FLOOR_0, "stt_outbox", "stt_surroundings", "stt_track", "stt.store.base",
        "stt.speech.chunk",
    ),
    "stt_dispatch": (
        *FLOOR_0, "stt_job", "stt_submission", "stt_surroundings", "stt_track", "stt.speech",
    ),
    "stt_session": (  # AL6
        *FLOOR_0, "stt_chunks", "stt_dispatch", "stt_due", "stt_outbox", "stt_parting",
        "stt_stall", "stt_surroundings", "stt_track", "stt_tracks", "stt_voice", "stt.pace",
        "stt.protocols.base", "stt.speech",
    ),
    "session_manager": (
        *FLOOR_0, "stt_ingest", "stt_outbox", "stt_session", "stt_surroundings", "stt_timers",
        "stt.store.base",
    ),
    "stt_file": (
        *FLOOR_0, "stt_ingest", "stt_job", "stt_submission", "stt_surroundings", "stt.speech",
    ),
    "stt_hearings": (*FLOOR_0, "stt_file"),
    "stt_recording": (
        *FLOOR_0, "stt_file", "stt_ingest", "stt_job", "stt_submission", "stt_surroundings",
        "stt.speech",
    ),
    "stt_recorder": (
        *FLOOR_0, "stt_file", "stt_hearings", "stt_ingest", "stt_recording", "stt_surroundings",
        "stt.store.base", "stt.speech.options",
    ),
    "stt_metering": (
        *FLOOR_0, "session_manager", "stt_ingest", "stt_job", "stt_load", "stt_timers",
        "stt.metrics",
    ),
    "stt_service": (  # it owns them
        *FLOOR_0, "session_manager", "stt_batches", "stt_ingest", "stt_job", "stt_load",
        "stt_recorder", "stt_timers", "stt_workers", "stt.store.base", "stt.engines.base",
    ),
    "stt_frames": ("stt_in_flight", "stt_socket"),
    "stt_websocket": ("stt_frames", "stt_in_flight", "stt_socket"),
    "stt_connection": (*DOORWAY, "stt_websocket"),  # AL7
    "dialects": (*DOORWAY, "dialects", "stt_connection"),
    "streaming_ws": (*DOORWAY, "dialects.base", "stt_websocket", "stt_connection"),
    "api.files": (*DOORWAY, "api.files", "api.answers"),
    "api": (*DOORWAY, "api.files", "api.answers"),
    "stt_config": (*FLOOR_0, "stt_readers"),  # AL8
    "gunicorn.conf": (*FLOOR_0, "stt_config", "gunicorn_worker"),
    "stt_options": (
        "dialects", "stt.engines.options", "stt.pace", "stt.speech", "stt_config",
        "stt_connection", "stt_surroundings", "stt_websocket",
    ),
    "app": EVERYTHING,
    "benchmarks": EVERYTHING,
    "stt_client": ("stt_client",),  # it can be taken out of the house
    "stt_wyoming": ("stt_wyoming", "stt_client"),  # so can this
    "stt_readers": ("stt.context_setting",),
    "stt_socket": ("stt_in_flight",), "stt_in_flight": (), "stt_startup": (),
    "gunicorn_worker": (),
}  # fmt: skip

SHARED_BY_DOORS = ("api.files", "api.answers")  # they have no route
WIRE = ("stt_frames", "stt_websocket")
DOORS = ("streaming_ws", "api", "stt_websocket", "app")
WHERE: dict[str, tuple[str, ...]] = {
    "faster_whisper": ("stt.engines",), "ctranslate2": ("stt.engines",),
    "onnxruntime": ("stt.speech.silero",), "av": ("stt.audio",),
    "prometheus_client": ("stt.metrics",), "flask": DOORS, "werkzeug": DOORS,
    "flask_sock": ("streaming_ws", "stt_websocket"), "wsproto": WIRE,
    "simple_websocket": ("streaming_ws", "stt_connection", *WIRE),
    "gunicorn": ("gunicorn_worker",),
    "websocket": ("stt_client",), "wyoming": ("stt_wyoming",),
    "stt_config": ("app", "gunicorn.conf", "stt_options"), "stt_readers": ("stt_config",),
}  # fmt: skip
"""Libraries, and rooms with few visitors: the only modules that import them."""
MEASURES = "benchmarks"  # they may import what they measure

PURE = ("numpy", "stt")
IMPURE = {
    "threading",
    "queue",
    "time",
    "os",
    "logging",
    "socket",
    "asyncio",
    "concurrent",
    "random",
}
ENVIRONMENT = ("stt_config", "gunicorn.conf", "stt_client", "benchmarks")

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for place in PLACES
    for path in own(place)
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
NAMES = sorted(MODULES)


def within(module: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or inside one of them."""
    return any(not p or module == p or module.startswith(f"{p}.") for p in prefixes)


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs: not what stands below ``if TYPE_CHECKING``."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield from nodes(child)


def imports(name: str) -> set[str]:
    """The modules a module imports, ours by their full name."""
    found = set()
    for node in nodes(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {node.module}
    return found


def row(name: str) -> tuple[str, ...]:
    """What a module may import of ours; a new file at the root needs a row of its own."""
    fitting = [prefix for prefix in MAY_IMPORT if within(name, (prefix,))]
    assert fitting, f"{name} has no row in MAY_IMPORT: on which floor is it?"
    return MAY_IMPORT[max(fitting, key=len)]


@pytest.mark.parametrize("name", NAMES)
def test_a_module_imports_only_from_its_floor_and_below(name: str) -> None:
    """The table of section 4: AL1-AL8."""
    ours = imports(name) & MODULES.keys()

    assert [module for module in ours if not within(module, (*row(name), name))] == []


@pytest.mark.parametrize("name", [*RUNTIME, "stt_workers", "stt_service"])
def test_a_row_of_the_runtime_says_what_is_really_imported(name: str) -> None:
    """Each part has a row of its own, and may import no more than it does (AL4-AL6).

    Or a part could come to know one that it has no business with, and no test would say so.
    """
    ours = imports(name) & MODULES.keys()
    beyond = [module for module in MAY_IMPORT[name] if module not in FLOOR_0]

    assert [part for part in beyond if not any(within(m, (part,)) for m in ours)] == []


@pytest.mark.parametrize("name", [n for n in NAMES if within(n, ("streaming_ws", "api"))])
def test_doors_do_not_know_each_other(name: str) -> None:
    """A door translates for the runtime, not for another door (AL7); rooms they may share."""
    rooms = {module for module in MODULES if within(module, SHARED_BY_DOORS)}
    others = imports(name) & MODULES.keys() - {name, "api"} - rooms

    assert [module for module in others if within(module, ("streaming_ws", "api"))] == []


@pytest.mark.parametrize("name", NAMES)
def test_libraries_are_imported_where_they_are_used(name: str) -> None:
    """A heavy library has one room (AV8), and the environment one reader (AL8)."""
    for module in imports(name):
        allowed = WHERE.get(module.split(".")[0], EVERYTHING)
        assert within(name, (*allowed, MEASURES)), f"{name} imports {module}"


@pytest.mark.parametrize("name", [n for n in NAMES if within(n, ("stt.speech",))])
def test_the_speech_core_is_pure(name: str) -> None:
    """No thread, lock, clock, file, socket or log below the seam (AL2)."""
    for module in imports(name):
        root = module.split(".")[0]
        assert root not in IMPURE, f"{name} imports {module}"
        allowed = root in PURE or root in sys.stdlib_module_names or root in WHERE
        assert allowed, f"{name} imports {module}"  # a library's room: AL2 lets Silero's runtime in


@pytest.mark.parametrize("name", [n for n in NAMES if not within(n, ENVIRONMENT)])
def test_the_environment_has_one_reader(name: str) -> None:
    """Nothing below the start reads it (AD9)."""
    read = [ast.unparse(node) for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)]

    assert {"os.environ", "os.getenv"}.isdisjoint(read)


def test_there_is_no_import_cycle() -> None:
    """AR3."""
    below = {name: imports(name) & MODULES.keys() - {name} for name in NAMES}
    while leaves := [name for name, needs in below.items() if not needs]:
        below = {name: needs - {*leaves} for name, needs in below.items() if name not in leaves}

    assert below == {}


@pytest.mark.parametrize("name", NAMES)
def test_modules_and_functions_stay_readable(name: str) -> None:
    """AR1: at most 350 lines; AR2: no function above 60, its docstring not counted."""
    lines = MODULES[name].read_text().count("\n")
    assert lines <= 350, f"{name} has {lines} lines"

    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            told = (ast.get_docstring(node, clean=False) or "").count("\n") + 1
            length = (node.end_lineno or 0) - node.lineno + 1 - told
            assert length <= 60, f"{name}.{node.name} has {length} lines"
