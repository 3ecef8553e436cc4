"""Everything that can be given wrongly: one clear line, its exit code, and nothing charged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Media = Any

RUNWARE_TEXT = "x" * 201


@pytest.fixture
def assert_refused(quick: Command, sandbox: Box) -> Callable[..., dict[str, Any]]:
    """Runs a command; it is bad input, told in one line, and nothing reached a vendor."""

    def check(*arguments: object, field: str | None = None, code: int = 2) -> dict[str, Any]:
        command = (*arguments, "--sandbox", sandbox.control)
        ended = quick(*command, "--json")
        assert ended.code == code, ended
        error: dict[str, Any] = ended.error
        plain = quick(*command)
        assert plain.code == code
        assert plain.out == ""
        told = [line for line in plain.err.splitlines() if line.startswith("viseme: ")]
        assert told == plain.err.splitlines()[-1:], plain
        assert error["message"].split()[0] in told[0]
        for ended_one in (ended, plain):
            assert "Traceback" not in ended_one.err
            assert "A mistake in Viseme" not in ended_one.err
        assert error["remedy"], error
        if field is not None:
            assert error["field"] == field, error
        assert sandbox.calls() == []
        assert quick.states() == []
        return error

    return check


Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def bad(tmp_path: Path, media: Media) -> Callable[[str], Path]:
    """A bad media file by its name."""

    def make(name: str) -> Path:
        path = tmp_path / f"{name}.mp4"
        if name == "text":
            path.write_text("this is no video\n" * 100)
        elif name == "empty":
            path.write_bytes(b"")
        elif name == "folder":
            path.mkdir()
        elif name == "cut":
            whole = media.clip("whole.mp4", frames=40, noise=True).read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        elif name == "no-frames":
            media.speech("sound.wav").replace(path)
        return path

    return make


@pytest.mark.parametrize("name", ["missing", "text", "empty", "folder", "cut", "no-frames"])
def test_a_video_that_is_none(
    assert_refused: Refused, bad: Callable[[str], Path], speech: Path, name: str
) -> None:
    path = bad(name)
    error = assert_refused("run", "fal-sync", "--video", path, "--audio", speech, field="--video")
    assert error["value"] == str(path)
    assert path.name in error["message"]


@pytest.mark.parametrize("name", ["missing", "text", "empty", "folder"])
def test_a_sound_that_is_none(
    assert_refused: Refused, bad: Callable[[str], Path], clip: Path, name: str
) -> None:
    path = bad(name)
    error = assert_refused("run", "fal-sync", "--video", clip, "--audio", path, field="--audio")
    assert error["value"] == str(path)


def test_a_silent_clip_as_the_speech(assert_refused: Refused, clip: Path) -> None:
    assert_refused("run", "fal-sync", "--video", clip, "--audio", clip, field="--audio")


def test_201_characters_are_refused_where_the_vendor_says_so(
    assert_refused: Refused, clip: Path
) -> None:
    error = assert_refused("run", "runware-pixverse", "--video", clip, "--text", RUNWARE_TEXT)
    assert "200" in error["limit"]
    assert "text" in error["field"]


@pytest.mark.parametrize("endpoint", ["fal-pixverse", "aimlapi-pixverse"])
def test_201_characters_are_warned_of_elsewhere(
    quick: Command, sandbox: Box, clip: Path, endpoint: str
) -> None:
    ended = quick(
        *("run", endpoint, "--video", clip, "--text", RUNWARE_TEXT, "--json"),
        *("--sandbox", sandbox.control),
    )
    assert ended.code == 0, ended
    assert any("200" in warning for warning in ended.document["warnings"])


@pytest.mark.parametrize("endpoint", ["aimlapi-pixverse", "runware-pixverse"])
def test_both_text_and_sound(
    assert_refused: Refused, clip: Path, speech: Path, endpoint: str
) -> None:
    assert_refused("run", endpoint, "--video", clip, "--audio", speech, "--text", "Hello")


def test_at_fal_sound_wins_over_text_with_a_warning(
    quick: Command, sandbox: Box, clip: Path, speech: Path
) -> None:
    ended = quick(
        *("run", "fal-pixverse", "--video", clip, "--audio", speech, "--text", "Hello"),
        *("--sandbox", sandbox.control, "--json"),
    )
    assert ended.code == 0, ended
    assert any("sound" in warning.lower() for warning in ended.document["warnings"])
    assert ended.document["media"]["audio"]["name"] == speech.name


@pytest.mark.parametrize(
    "endpoint",
    ["fal-pixverse", "fal-sync", "fal-pipio", "aimlapi-pixverse", "runware-pixverse"],
)
def test_neither_text_nor_sound(assert_refused: Refused, clip: Path, endpoint: str) -> None:
    assert_refused("run", endpoint, "--video", clip)


@pytest.mark.parametrize("endpoint", ["fal-sync", "aimlapi-pixverse"])
def test_no_video(assert_refused: Refused, speech: Path, endpoint: str) -> None:
    assert_refused("run", endpoint, "--audio", speech)


@pytest.mark.parametrize(
    ("endpoint", "setting", "field", "limit"),
    [
        ("fal-sync", "sync_mode=foo", "sync_mode", "cut_off"),
        ("fal-pipio", "num_frames=0", "num_frames", "1"),
        ("fal-pipio", "num_frames=some", "num_frames", "all"),
        ("fal-pipio", "vae_chunk_size=64", "vae_chunk_size", "57"),
        ("fal-pipio", "face_id_cond_strength=17", "face_id_cond_strength", "16"),
        ("fal-pipio", "frame_rate=-2", "frame_rate", "-1"),
        ("fal-pipio", "seed=abc", "seed", ""),
        ("fal-pixverse", "voice_id=Nobody", "voice_id", "Emily"),
        ("fal-sync", "queue_priority=high", "queue_priority", "low"),
        ("fal-sync", "webhook=ftp://example.com", "webhook", "http"),
        ("runware-pixverse", "numberResults=5", "numberResults", "4"),
        ("runware-pixverse", "outputQuality=19", "outputQuality", "20"),
        ("runware-pixverse", "outputFormat=AVI", "outputFormat", "WEBM"),
        ("runware-pixverse", "ttl=59", "ttl", "60"),
        ("runware-pixverse", "safety.mode=strict", "safety.mode", "fast"),
        ("runware-pixverse", "safety.checkContent=maybe", "safety.checkContent", "true"),
    ],
)
def test_an_argument_outside_of_what_is_documented(
    assert_refused: Refused,
    clip: Path,
    speech: Path,
    endpoint: str,
    setting: str,
    field: str,
    limit: str,
) -> None:
    media = ("--video", clip, "--audio", speech)
    error = assert_refused("run", endpoint, *media, "--set", setting, field=field)
    assert error["value"] == setting.partition("=")[2]
    assert limit in f"{error['limit']} {error['remedy']}"


def test_a_wrong_vae_chunk_size_is_answered_with_the_two_nearest(
    assert_refused: Refused, clip: Path, speech: Path
) -> None:
    media = ("--video", clip, "--audio", speech)
    error = assert_refused("run", "fal-pipio", *media, "--set", "vae_chunk_size=66")
    assert "65" in str(error)
    assert "73" in str(error)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (["sync_mode"], "--set"),
        (["=loop"], "--set"),
        (["sync_mode=loop", "sync_mode=loop"], "sync_mode"),
        (["sync_modus=loop"], "sync_modus"),
        (["sync_mode.x=1"], None),
        (["safety=1", "safety.mode=fast"], None),
        (["a..b=1"], None),
    ],
)
def test_a_set_that_is_malformed(
    assert_refused: Refused,
    clip: Path,
    speech: Path,
    settings: list[str],
    field: str | None,
) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    media = ("--video", clip, "--audio", speech)
    assert_refused("run", "fal-sync", *media, *words, field=field)


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param({"unit": "frames", "removals": [{"from": 1, "to": 5}, {"from": 4, "to": 7}]}),
        pytest.param({"unit": "frames", "removals": [{"from": 8, "to": 99}]}),
        pytest.param({"unit": "frames", "removals": [{"from": 0, "to": 12}]}),
        pytest.param(
            {
                "unit": "frames",
                "removals": [{"from": 1, "to": 5}],
                "additions": [{"at": 3, "duration": 4}],
            }
        ),
        pytest.param({"unit": "frames", "additions": [{"at": 99, "duration": 4}]}),
        pytest.param({"unit": "frames", "additions": [{"at": 3, "duration": 0}]}),
        pytest.param({"unit": "hours"}),
        pytest.param({"unit": "frames", "cuts": []}),
        pytest.param([1, 2]),
        pytest.param("not json"),
        pytest.param({"edit_removal_ranges": [1, 2, 3]}),
        pytest.param(
            {"edit_addition_start_frames": [1, 2], "edit_addition_durations": [3]},
        ),
    ],
)
def test_an_edit_plan_that_overlaps_leaves_the_clip_or_cannot_be_read(
    assert_refused: Refused, clip: Path, speech: Path, tmp_path: Path, edits: Any
) -> None:
    path = tmp_path / "edits.json"
    path.write_text(edits if isinstance(edits, str) else json.dumps(edits))
    media = ("--video", clip, "--audio", speech)
    assert_refused("run", "fal-pipio", *media, "--edits", path)


def test_edits_that_are_no_file_or_for_another_endpoint(
    assert_refused: Refused, clip: Path, speech: Path, tmp_path: Path
) -> None:
    media = ("--video", clip, "--audio", speech)
    gone = tmp_path / "gone.json"
    assert_refused("run", "fal-pipio", *media, "--edits", gone, field="--edits")
    path = tmp_path / "edits.json"
    path.write_text('{"unit": "frames", "removals": [{"from": 1, "to": 2}]}')
    assert_refused("run", "fal-sync", *media, "--edits", path, field="--edits")
    assert_refused("run", "fal-pipio", "--video", clip, "--edits", path, field="--audio")


def test_a_still_image_where_only_video_goes(
    assert_refused: Refused, media: Media, speech: Path
) -> None:
    face = media.still()
    assert_refused("run", "fal-sync", "--video", face, "--audio", speech)
    pipio = ("run", "fal-pipio", "--video", face, "--audio", speech)
    assert_refused(*pipio, "--set", "frame_rate=-1", field="frame_rate")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (("--carry", "inline"), "--carry"),
        (("--take", "0"), "--take"),
        (("--take", "99999999999999999999"), "--take"),
        (("--voice", "Emily"), "--voice"),
    ],
)
def test_an_option_that_does_not_fit(
    assert_refused: Refused, clip: Path, speech: Path, more: tuple[str, ...], field: str
) -> None:
    media = ("--video", clip, "--audio", speech)
    assert_refused("run", "runware-pixverse", *media, *more, field=field)


@pytest.mark.parametrize(
    ("reference", "endpoint"),
    [
        ("http://example.com/a.mp4", "fal-sync"),
        ("file:///etc/passwd", "fal-sync"),
        ("ftp://example.com/a.mp4", "runware-pixverse"),
        ("6f1f6e9c-8a61-4a53-9a5c-0c8a4b1f2d3e", "fal-sync"),
        ("6f1f6e9c-8a61-4a53-9a5c-0c8a4b1f2d3e", "aimlapi-pixverse"),
    ],
)
def test_a_reference_that_the_vendor_cannot_follow(
    assert_refused: Refused, speech: Path, reference: str, endpoint: str
) -> None:
    error = assert_refused("run", endpoint, "--video", reference, "--audio", speech)
    assert error["field"] == "--video"
    assert error["value"] == reference


def test_a_voice_that_the_vendor_has_not(assert_refused: Refused, clip: Path) -> None:
    text = ("--text", "Hello", "--voice", "Nobody")
    error = assert_refused("run", "fal-pixverse", "--video", clip, *text)
    assert "Emily" in error["limit"]


# A byte that is no UTF-8, as Python shows it in an argument.
BAD_BYTE = "caf\udce9"


def test_text_that_is_no_utf_8(assert_refused: Refused, clip: Path, speech: Path) -> None:
    assert_refused("run", "fal-pixverse", "--video", clip, "--text", BAD_BYTE, field="--text")
    words = ("--audio", speech, "--set", f"custom_prompt={BAD_BYTE}")
    assert_refused("run", "fal-pipio", "--video", clip, *words, field="--set")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_stdout_cannot_show_stop_nothing(
    viseme: Command, sandbox: Box, clip: Path, speech: Path, tmp_path: Path, encoding: str
) -> None:
    viseme.environment["PYTHONIOENCODING"] = encoding
    video, out = tmp_path / f"{BAD_BYTE}.mp4", tmp_path / f"é日{BAD_BYTE}.mp4"
    video.write_bytes(clip.read_bytes())
    command = ("run", "fal-sync", "--video", video, "--audio", speech, "-o", out)
    ended = viseme(*command, "--sandbox", sandbox.control, "--json")
    assert ended.code == 0, ended
    assert ended.document["files"] == [str(out)]
    assert ended.document["media"]["video"]["name"] == video.name
    assert out.exists()
    plain = viseme(*command, "--sandbox", sandbox.control)
    assert plain.code == 0, plain
    assert "already bought" in plain.out


def test_a_signature_in_an_address_is_not_repeated(assert_refused: Refused, speech: Path) -> None:
    url = "http://example.com/a.mp4?X-Amz-Signature=SIGNED"
    error = assert_refused("run", "fal-sync", "--video", url, "--audio", speech, field="--video")
    assert "SIGNED" not in str(error)


def test_an_endpoint_that_does_not_exist(assert_refused: Refused, clip: Path) -> None:
    error = assert_refused("run", "fal-sink", "--video", clip)
    assert "fal-sync" in str(error)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("run",),
        ("run", "fal-sync", "--nonsense"),
        ("run", "fal-sync", "--take", "one"),
        ("run", "fal-sync", "--carry", "pigeon"),
        ("jobs", "--limit", "few"),
        ("jobs", "--limit", "0"),
        ("jobs", "--home", ""),
        ("run", "fal-sync", "--time-limit", "0"),
        ("run", "fal-sync", "--time-limit", "nan"),
        ("login", "paypal"),
    ],
)
def test_a_command_line_that_is_wrong(quick: Command, arguments: tuple[str, ...]) -> None:
    for words in (arguments, (*arguments, "--json")):
        ended = quick(*words)
        assert ended.code == 2, ended
        assert ended.complaint.startswith("viseme: ")
        assert "--help" in ended.complaint
    assert ended.error["remedy"]


def test_the_wrong_things_look_the_same_in_a_process_of_their_own(
    viseme: Command, sandbox: Box, speech: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.mp4"
    command = ("run", "fal-sync", "--video", gone, "--audio", speech)
    ended = viseme(*command, "--sandbox", sandbox.control, "--json")
    assert ended.code == 2
    assert ended.error["field"] == "--video"
    assert "Traceback" not in ended.err
    assert sandbox.calls() == []
