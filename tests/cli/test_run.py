"""One lip-sync through the command at every endpoint, and what is in the file that comes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.cli.session import copy_results

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Media = Any
Run = Callable[..., Any]

ENDPOINTS = ("fal-pixverse", "fal-sync", "fal-pipio", "aimlapi-pixverse", "runware-pixverse")


class Counted:
    """What is in a video file, counted by decoding it with PyAV alone."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            self.format = container.format.name
            video = container.streams.video[0]
            self.codec = video.codec_context.name
            self.rate: Any = Fraction(video.average_rate or 0)
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        self.frames = len(frames)
        self.pictures = np.stack(frames)
        self.height: Any
        self.width: Any
        self.height, self.width = self.pictures.shape[1:3]
        self.samples: NDArray[np.float64] | None = None
        self.sample_rate = 0
        with av.open(str(path)) as container:
            self.has_sound = bool(container.streams.audio)
            if self.has_sound:
                self.samples, self.sample_rate = sound_of(container)


def sound_of(container: Any) -> tuple[NDArray[np.float64], int]:
    """One channel of all samples."""
    resampler = av.AudioResampler(format="fltp", layout="mono")
    pieces, rate = [], 0
    for frame in container.decode(audio=0):
        rate = frame.sample_rate
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    return np.concatenate(pieces).astype(np.float64), rate


@pytest.fixture
def run(quick: Command, studio: Box, tmp_path: Path) -> Run:
    """``run(endpoint, ...)`` in a sandbox that renders; the receipt."""

    def go(endpoint: str, *more: object, out: str = "out.mp4") -> dict[str, Any]:
        ended = quick(
            *("run", endpoint, *more, "-o", tmp_path / out, "--sandbox", studio.control, "--json")
        )
        assert ended.code == 0, ended
        said: dict[str, Any] = ended.document
        assert said["state"] == "FETCHED"
        assert said["files"][0] == str(tmp_path / out)
        return said

    return go


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_clip_and_speech_come_back_as_the_documents_promise(
    run: Run, studio: Box, clip: Path, speech: Path, endpoint: str
) -> None:
    said = run(endpoint, "--video", clip, "--audio", speech)
    got = Counted(Path(said["files"][0]))
    # The clip has 12 frames, the speech is as long as 10; pipio keeps the clip's length.
    assert got.frames == (12 if endpoint == "fal-pipio" else 10)
    assert (got.rate, got.width, got.height) == (25, 96, 64)
    assert got.codec == "h264"
    assert got.has_sound
    assert said["timing"]["results"]["1"]["frame_count"] == got.frames
    assert said["timing"]["predicted"]["frame_count_most"] == got.frames
    assert said["warnings"] == []
    assert said["media"]["video"]["name"] == "clip.mp4"
    assert said["media"]["video"]["steps"] == ["passed through untouched"]
    assert all(said["vendor_ids"].values())
    assert said["vendor_output"]
    assert said["created"] and said["finished"]
    assert len(studio.charges()) == 1


@pytest.mark.parametrize("endpoint", ["fal-sync", "runware-pixverse", "aimlapi-pixverse"])
def test_what_the_receipt_says_of_the_price_is_what_the_vendor_booked(
    run: Run, studio: Box, clip: Path, speech: Path, endpoint: str
) -> None:
    said = run(endpoint, "--video", clip, "--audio", speech)
    booked = float(studio.charges()[0]["usd"])
    if said["cost_usd"] is not None:
        assert float(said["cost_usd"]) == booked
    if said["quote"]["least_usd"] is not None:
        assert float(said["quote"]["least_usd"]) <= booked <= float(said["quote"]["most_usd"])
    else:
        assert said["quote"]["unknown_reason"]


@pytest.mark.parametrize(
    ("mode", "seconds", "frames"),
    [
        ("cut_off", 0.4, 10),
        ("cut_off", 0.8, 12),
        ("loop", 0.8, 20),
        ("bounce", 0.8, 20),
        ("silence", 0.8, 20),
        ("silence", 0.4, 12),
        ("remap", 0.8, 20),
    ],
)
def test_every_sync_mode_has_the_length_that_it_names(
    run: Run, media: Media, clip: Path, mode: str, seconds: float, frames: int
) -> None:
    speech = media.speech(seconds=seconds)
    said = run("fal-sync", "--video", clip, "--audio", speech, "--set", f"sync_mode={mode}")
    got = Counted(Path(said["files"][0]))
    assert abs(got.frames - frames) <= 1
    assert said["warnings"] == []


@pytest.mark.parametrize(
    ("endpoint", "voice"),
    [("fal-pixverse", "Emily"), ("aimlapi-pixverse", "James"), ("runware-pixverse", "Sophia")],
)
def test_text_is_spoken_by_the_voice_that_was_named(
    run: Run, studio: Box, clip: Path, endpoint: str, voice: str
) -> None:
    said = run(endpoint, "--video", clip, "--text", "Hello there.", "--voice", voice)
    got = Counted(Path(said["files"][0]))
    assert got.frames > 1
    assert got.samples is not None
    assert np.abs(got.samples).max() > 0.01
    assert said["media"].keys() == {"video"}


def test_text_without_a_voice_has_the_default_one(run: Run, clip: Path) -> None:
    assert run("fal-pixverse", "--video", clip, "--text", "Hello.")["arguments"]


def test_all_of_four_results_come_and_are_numbered(
    run: Run, studio: Box, clip: Path, speech: Path, tmp_path: Path
) -> None:
    media = ("--video", clip, "--audio", speech)
    said = run("runware-pixverse", *media, "--set", "numberResults=4")
    names = ["out.mp4", "out-2.mp4", "out-3.mp4", "out-4.mp4"]
    assert said["files"] == [str(tmp_path / name) for name in names]
    assert [item["number"] for item in said["items"]] == [1, 2, 3, 4]
    assert len({item["vendor_id"] for item in said["items"]}) == 4
    assert all(Counted(tmp_path / name).frames == 10 for name in names)
    assert len(studio.charges()) == 1


@pytest.mark.parametrize(
    ("output_format", "codec", "container"), [("WEBM", "vp9", "webm"), ("MOV", "h264", "mov")]
)
def test_other_containers_come_under_their_own_suffix(
    run: Run, clip: Path, speech: Path, output_format: str, codec: str, container: str
) -> None:
    media = ("--video", clip, "--audio", speech, "--set", f"outputFormat={output_format}")
    said = run("runware-pixverse", *media, out=f"out.{output_format.lower()}")
    got = Counted(Path(said["files"][0]))
    assert got.frames == 10
    assert codec in got.codec
    assert container in got.format
    assert said["timing"]["results"]["1"]["container"] == container


def test_a_suffix_that_does_not_fit_the_format_is_refused_first(
    quick: Command, studio: Box, clip: Path, speech: Path, tmp_path: Path
) -> None:
    ended = quick(
        *("run", "runware-pixverse", "--video", clip, "--audio", speech, "--json"),
        *("--set", "outputFormat=WEBM", "-o", tmp_path / "out.mp4", "--sandbox", studio.control),
    )
    assert ended.code == 2
    assert ended.error["field"] == "--out"
    assert ended.error["limit"] == ".webm"
    assert studio.calls() == []


def test_an_edit_plan_cuts_frames_and_sound_alike(run: Run, media: Media, tmp_path: Path) -> None:
    clip = media.clip("long.mp4", frames=50)
    speech = media.speech(seconds=2.0)
    edits = tmp_path / "edits.json"
    edits.write_text(
        '{"unit": "frames", "removals": [{"from": 5, "to": 15}, {"from": 30, "to": 40,'
        ' "bridge": 4}], "additions": [{"at": 20, "duration": 6}]}'
    )
    said = run("fal-pipio", "--video", clip, "--audio", speech, "--edits", edits)
    got = Counted(Path(said["files"][0]))
    assert got.frames == 50 - 10 - 10 + 4 + 6
    assert "cut along the edit plan" in said["media"]["audio"]["steps"]
    assert said["arguments"]["edit_removal_ranges"] == [5, 14, 30, 39]
    assert said["arguments"]["edit_removal_bridge_durations"] == [0, 4]
    assert said["arguments"]["edit_addition_start_frames"] == [20]
    # 25 fps and 16 kHz: 640 samples a frame. New frames are silent.
    source = sound_of_file(speech)
    expected = np.concatenate(
        [
            source[: 5 * 640],
            source[15 * 640 : 20 * 640],
            np.zeros(6 * 640),
            source[20 * 640 : 30 * 640],
            np.zeros(4 * 640),
            source[40 * 640 : 50 * 640],
        ]
    )
    assert_same_sound(got.samples, expected)


def assert_same_sound(got: NDArray[np.float64] | None, expected: NDArray[np.float64]) -> None:
    """Alike but for AAC, which lies between and smears each seam, and aligned to the sample."""
    assert got is not None
    assert abs(len(got) - len(expected)) <= 1024
    length = min(len(got), len(expected)) - 1024
    one, other = got[:length], expected[:length]
    assert np.sqrt(np.mean((one - other) ** 2)) < 0.02
    shifts = range(-3, 4)
    alike = [float(np.dot(one[8:-8], other[8 + s : length - 8 + s])) for s in shifts]
    assert max(alike) == alike[3]


def sound_of_file(path: Path) -> NDArray[np.float64]:
    with av.open(str(path)) as container:
        return sound_of(container)[0]


def test_edits_without_audio_cut_the_clips_own_sound(
    run: Run, media: Media, tmp_path: Path
) -> None:
    clip = media.clip("sounding.mp4", frames=50, sound_seconds=2.0)
    edits = tmp_path / "edits.json"
    edits.write_text('{"unit": "seconds", "removals": [{"from": "0.4", "to": "0.8"}]}')
    said = run("fal-pipio", "--video", clip, "--edits", edits)
    got = Counted(Path(said["files"][0]))
    assert got.frames == 40
    source = sound_of_file(clip)
    expected = np.concatenate([source[: 10 * 640], source[20 * 640 : 50 * 640]])
    assert_same_sound(got.samples, expected)


def test_a_final_track_is_not_cut_again(run: Run, media: Media, tmp_path: Path) -> None:
    clip = media.clip("long.mp4", frames=25)
    speech = media.speech(seconds=0.8)
    edits = tmp_path / "edits.json"
    edits.write_text('{"unit": "frames", "removals": [{"from": 5, "to": 10}]}')
    words = ("--video", clip, "--audio", speech, "--edits", edits)
    said = run("fal-pipio", *words, "--audio-is-edited")
    assert said["media"]["audio"]["steps"] == ["passed through untouched"]
    assert Counted(Path(said["files"][0])).frames == 20
    assert run("fal-pipio", *words)["reused"] is False  # another sound, another purchase


def test_a_still_image_speaks_for_as_long_as_the_speech(
    run: Run, media: Media, speech: Path
) -> None:
    said = run("fal-pipio", "--video", media.still(), "--audio", speech)
    got = Counted(Path(said["files"][0]))
    assert (got.frames, got.rate, got.width, got.height) == (10, 25, 96, 64)


def test_urls_stand_for_media_and_what_cannot_be_known_is_said(run: Run, studio: Box) -> None:
    video, audio = "https://example.com/a.mp4?sig=SIGNED", "https://example.com/a.wav"
    said = run("fal-sync", "--video", video, "--audio", audio)
    assert said["quote"]["most_usd"] is None
    assert any("fetched by the vendor" in warning for warning in said["warnings"])
    assert said["media"]["video"]["carried"] == "reference"
    assert "SIGNED" not in str(said["arguments"])
    assert studio.calls("upload") == []
    assert Counted(Path(said["files"][0])).frames > 1


def test_a_uuid_stands_for_media_that_runware_has(
    run: Run, quick: Command, studio: Box, clip: Path, speech: Path
) -> None:
    stored = "6f1f6e9c-8a61-4a53-9a5c-0c8a4b1f2d3e"
    ended = quick(
        *("run", "runware-pixverse", "--video", stored, "--audio", speech, "--json"),
        *("--sandbox", studio.control),
    )
    # This one the sandbox does not have, and says so as Runware would.
    assert ended.code == 4, ended
    assert ended.error["kind"] in ("request_rejected", "job_failed")
    assert studio.charges() == []


@pytest.mark.parametrize("carry", ["inline", "upload"])
def test_media_travel_as_they_were_told(
    run: Run, studio: Box, clip: Path, speech: Path, carry: str
) -> None:
    said = run("fal-sync", "--video", clip, "--audio", speech, "--carry", carry)
    assert {medium["carried"] for medium in said["media"].values()} == {carry}
    assert len(studio.calls("upload")) == (2 if carry == "upload" else 0)


def test_uploads_at_runware_are_deleted_once_the_result_is_here(
    run: Run, quick: Command, studio: Box, clip: Path, speech: Path
) -> None:
    said = run("runware-pixverse", "--video", clip, "--audio", speech)
    with quick.ledger() as ledger:
        uploads = ledger.uploads(said["id"])
    assert len(uploads) == 2
    assert all(upload.deleted_at is not None for upload in uploads)


def test_nested_and_typed_arguments_reach_the_vendor(run: Run, clip: Path, speech: Path) -> None:
    said = run(
        *("runware-pixverse", "--video", clip, "--audio", speech),
        *("--set", "safety.checkContent=true", "--set", "safety.mode=full"),
        *("--set", "outputQuality=60", "--set", "includeCost=false"),
    )
    assert said["arguments"]["safety"] == {"checkContent": True, "mode": "full"}
    assert said["arguments"]["outputQuality"] == 60
    assert said["cost_usd"] is None


def test_pipio_sizes_rates_and_lengths(run: Run, clip: Path, speech: Path) -> None:
    said = run(
        *("fal-pipio", "--video", clip, "--audio", speech, "--set", "num_frames=6"),
        *("--set", "frame_rate=10", "--set", "width=-2", "--set", "height=32"),
    )
    got = Counted(Path(said["files"][0]))
    assert (got.rate, got.width, got.height) == (10, 48, 32)
    assert got.frames <= 6
    assert not [warning for warning in said["warnings"] if "not as predicted" in warning]


def test_a_clip_that_the_endpoint_does_not_take_is_changed_and_the_steps_are_told(
    run: Run, media: Media, speech: Path
) -> None:
    clip = media.clip("clip.mkv")
    said = run("fal-sync", "--video", clip, "--audio", speech)
    assert said["media"]["video"]["steps"] != ["passed through untouched"]
    assert Counted(Path(said["files"][0])).frames == 10


def test_a_long_clip_is_fitted_into_the_body_that_ai_ml_api_takes(
    run: Run, quick: Command, studio: Box, media: Media, speech: Path
) -> None:
    quick.settings(aimlapi_body_bytes=100_000)
    clip = media.clip("large.mp4", frames=50, size=(320, 240), noise=True)
    assert clip.stat().st_size > 200_000
    said = run("aimlapi-pixverse", "--video", clip, "--audio", speech)
    assert said["media"]["video"]["sent_bytes"] < 100_000
    assert said["media"]["video"]["steps"] != ["passed through untouched"]
    assert all(call["bytes_in"] <= 100_000 for call in studio.calls("submit"))
    assert Counted(Path(said["files"][0])).frames == 10


def test_a_clip_that_cannot_be_fitted_decently_is_refused_before_it_is_sent(
    quick: Command, studio: Box, media: Media
) -> None:
    quick.settings(aimlapi_body_bytes=100_000)
    clip = media.clip("endless.mp4", frames=1500, rate=25)
    speech = media.speech(seconds=60, rate=8000)
    ended = quick(
        *("run", "aimlapi-pixverse", "--video", clip, "--audio", speech, "--json"),
        *("--sandbox", studio.control),
    )
    assert ended.code in (0, 2), ended
    if ended.code == 2:
        assert ended.error["kind"] == "media_too_large"
        assert studio.calls() == []
    else:
        assert all(call["bytes_in"] <= 100_000 for call in studio.calls("submit"))


@pytest.mark.parametrize("endpoint", ["fal-pixverse", "aimlapi-pixverse", "runware-pixverse"])
def test_a_clip_over_pixverses_30_seconds_is_warned_of_and_goes_on(
    run: Run, media: Media, speech: Path, endpoint: str
) -> None:
    clip = media.clip("31s.mp4", frames=62, rate=2)
    said = run(endpoint, "--video", clip, "--audio", speech)
    assert any("30" in warning for warning in said["warnings"])


def test_the_same_through_a_process_prints_the_file_and_the_job(
    viseme: Command, studio: Box, clip: Path, speech: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    ended = viseme(
        *("run", "fal-sync", "--video", clip, "--audio", speech, "-o", out),
        *("--sandbox", studio.control),
    )
    assert ended.code == 0, ended
    lines = ended.out.splitlines()
    assert lines[0] == str(out)
    assert lines[1].startswith(f"job {viseme.job_id()}: bought")
    assert "submitting to fal" in ended.err
    assert Counted(out).frames == 10


def test_a_clip_that_passes_as_it_is_is_bought_without_codecs_in_this_process(
    viseme: Command, studio: Box, clip: Path, speech: Path, tmp_path: Path
) -> None:
    viseme.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    ended = viseme(
        *("run", "fal-sync", "--video", clip, "--audio", speech, "-o", tmp_path / "out.mp4"),
        *("--sandbox", studio.control),
    )
    assert ended.code == 0, ended
    imported = {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}
    assert {"httpx", "sqlalchemy"} <= imported  # the reading finds what there is
    assert not imported & {"av", "numpy"}


def test_the_homes_own_sandbox_is_started_and_used_again(
    quick: Command, clip: Path, speech: Path
) -> None:
    command = ("run", "fal-sync", "--video", clip, "--audio", speech, "--sandbox", "--json")
    first = quick(*command)
    assert first.code == 0, first
    running = quick.own_sandbox()
    assert running is not None
    second = quick(*command, "--take", 2)
    assert second.code == 0, second
    assert second.document["destination"] == first.document["destination"]
    assert quick.own_sandbox() == running


def test_the_sandbox_that_the_environment_names_is_used_when_a_sandbox_is_asked_for(
    quick: Command, sandbox: Box, clip: Path, speech: Path
) -> None:
    quick.environment["VISEME_SANDBOX"] = sandbox.control
    command = ("run", "fal-sync", "--video", clip, "--audio", speech, "--json")
    assert quick(*command).code == 3  # live stays live, and there is no key
    assert sandbox.calls() == []
    assert quick(*command, "--sandbox").code == 0
    assert len(sandbox.charges()) == 1
    assert quick.own_sandbox() is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://example.com:80", "here"])
def test_a_sandbox_that_is_none_is_bad_input(
    quick: Command, clip: Path, speech: Path, url: str
) -> None:
    command = ("run", "fal-sync", "--video", clip, "--audio", speech, "--json")
    ended = quick(*command, "--sandbox", url)
    assert ended.code == 2, ended
    assert ended.error["field"] == "--sandbox"
    assert ended.error["value"] == url


def test_two_commands_that_copy_to_one_place_leave_a_whole_file(tmp_path: Path) -> None:
    """The same command twice at once is one purchase, and both copy its result."""
    sources = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for number, source in enumerate(sources):
        source.write_bytes(bytes([number]) * 20_000_000)
    out = tmp_path / "out.mp4"

    def copy(source: Path) -> tuple[Path, ...]:
        return copy_results((source,), out, job_id="a-job", command="viseme resume a-job")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(copy, sources * 6)) == [(out,)] * 12
    assert out.read_bytes() in [source.read_bytes() for source in sources]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "out.mp4"]
