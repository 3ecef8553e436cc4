"""What is given is checked all together, before anything is sent."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from viseme.edits import Addition, EditPlan, Removal
from viseme.endpoints import ENDPOINTS, Edited, endpoint, endpoints_of_model, translate
from viseme.endpoints._media import limit_warnings
from viseme.endpoints.base import MediaRules
from viseme.errors import InputError, MediaTooLarge
from viseme.model import Clip, Recording, RemoteMedia, SpokenText

PIXVERSE = ("fal-pixverse", "aimlapi-pixverse", "runware-pixverse")
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
URL = "https://example.com/a.mp4"
ALL = pytest.mark.parametrize("endpoint_id", list(ENDPOINTS))


def refused(endpoint_id: str, given: dict[str, Any], footage: Any, speech: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        ENDPOINTS[endpoint_id].order(given, footage, speech)
    error = caught.value
    assert error.field
    assert error.limit
    assert error.remedy
    assert "\n" not in str(error)
    return error


def test_the_list_is_whole_and_in_order() -> None:
    assert list(ENDPOINTS) == [
        "fal-pixverse",
        "fal-sync",
        "fal-pipio",
        "aimlapi-pixverse",
        "runware-pixverse",
    ]
    assert [entry.id for entry in endpoints_of_model("PixVerse LipSync")] == list(PIXVERSE)
    assert endpoint("fal-sync") is ENDPOINTS["fal-sync"]


def test_an_unknown_endpoint_is_answered_with_the_list() -> None:
    with pytest.raises(InputError) as caught:
        endpoint("fal-sink")
    assert caught.value.limit == ", ".join(ENDPOINTS)
    assert caught.value.remedy == "Did you mean fal-sync?"


@ALL
def test_a_clip_and_a_recording_are_enough(endpoint_id: str, clip: Clip, speech: Recording) -> None:
    order = ENDPOINTS[endpoint_id].order({}, clip, speech)
    assert (order.footage, order.speech, order.warnings) == (clip, speech, ())


@ALL
def test_an_order_can_be_made_again_from_what_it_holds(
    endpoint_id: str, clip: Clip, speech: Recording
) -> None:
    entry = ENDPOINTS[endpoint_id]
    given: dict[str, Any] = (
        {"edits": EditPlan((Addition(3, 2),), (Removal(10, 19, 4),)), "num_frames": "50"}
        if entry.takes_edits
        else {}
    )
    order = entry.order(given, clip, speech)
    again = entry.order(order.arguments.model_dump(mode="json"), order.footage, order.speech)
    assert again.arguments == order.arguments
    assert entry.picture_arguments(again) == entry.picture_arguments(order)
    if entry.takes_text:
        spoken = entry.order({}, clip, SpokenText("Hello", "emily"))
        again = entry.order(spoken.arguments.model_dump(), spoken.footage, spoken.speech)
        assert again == spoken


@pytest.mark.parametrize(
    ("endpoint_id", "given", "field", "words"),
    [
        ("fal-sync", {"sync_mode": "foo"}, "sync_mode", "cut_off, loop, bounce, silence, remap"),
        ("fal-sync", {"sync_mod": "loop"}, "sync_mod", "Did you mean sync_mode?"),
        ("fal-sync", {"queue_priority": "high"}, "queue_priority", "normal, low"),
        ("fal-sync", {"start_deadline_seconds": 1}, "start_deadline_seconds", "over 1"),
        ("fal-sync", {"webhook": "ftp://example.com"}, "webhook", "http or https"),
        ("fal-sync", {"result_lifetime_seconds": 59}, "result_lifetime_seconds", "from 60"),
        ("fal-pixverse", {"voice_id": "Bob"}, "voice_id", "Emily"),
        ("fal-pipio", {"num_frames": 0}, "num_frames", "whole numbers from 1 or all"),
        ("fal-pipio", {"num_frames": True}, "num_frames", "not true or false"),
        ("fal-pipio", {"num_frames": "most"}, "num_frames", "or all"),
        ("fal-pipio", {"vae_chunk_size": 64}, "vae_chunk_size", "57 and 65"),
        ("fal-pipio", {"vae_chunk_size": "66"}, "vae_chunk_size", "65 and 73"),
        ("fal-pipio", {"vae_chunk_size": 2}, "vae_chunk_size", "1 and 9"),
        ("fal-pipio", {"vae_chunk_size": 72}, "vae_chunk_size", "65 and 73"),
        ("fal-pipio", {"vae_overlap_window_width": -1}, "vae_overlap_window_width", "from 0"),
        ("fal-pipio", {"frame_rate": 0}, "frame_rate", "-1"),
        ("fal-pipio", {"frame_rate": -2}, "frame_rate", "from -1"),
        ("fal-pipio", {"height": 0}, "height", "native"),
        ("fal-pipio", {"width": -1281}, "width", "leave none"),
        ("fal-pipio", {"face_id_cond_strength": 17}, "face_id_cond_strength", "-1 to 16"),
        ("fal-pipio", {"face_id_cond_strength": -2}, "face_id_cond_strength", "-1 to 16"),
        ("fal-pipio", {"appearance_cond_strength": 0}, "appearance_cond_strength", "1 to 16"),
        ("fal-pipio", {"appearance_cond_strength": 17}, "appearance_cond_strength", "1 to 16"),
        ("fal-pipio", {"seed": 1.5}, "seed", "whole numbers"),
        ("fal-pipio", {"edits": 7}, "edits", "edit plan"),
        ("fal-pipio", {"edits": {"unit": "feet"}}, "edits.unit", "frames or seconds"),
        (
            "fal-pipio",
            {"edit_removal_ranges": [5, 9], "edit_removal_bridge_durations": []},
            "edit_removal_bridge_durations",
            "one for each",
        ),
        (
            "fal-pipio",
            {"edit_removal_ranges": "90,100", "edit_removal_bridge_durations": "0"},
            "removals[0]",
            "0 to 99",
        ),
        ("runware-pixverse", {"outputQuality": 19}, "outputQuality", "20 to 99"),
        ("runware-pixverse", {"outputQuality": "100"}, "outputQuality", "20 to 99"),
        ("runware-pixverse", {"outputFormat": "AVI"}, "outputFormat", "MP4, WEBM, MOV"),
        ("runware-pixverse", {"numberResults": 5}, "numberResults", "1 to 4"),
        ("runware-pixverse", {"numberResults": 0}, "numberResults", "1 to 4"),
        ("runware-pixverse", {"ttl": 59}, "ttl", "from 60"),
        ("runware-pixverse", {"outputType": "dataURI"}, "outputType", "URL"),
        ("runware-pixverse", {"deliveryMethod": "sync"}, "deliveryMethod", "async"),
        ("runware-pixverse", {"safety": {"mode": "strict"}}, "safety.mode", "none, fast, full"),
        ("runware-pixverse", {"safety.mod": "fast"}, "safety.mod", "safety.mode"),
        ("runware-pixverse", {"safety": "fast"}, "safety", "checkContent, mode"),
        ("runware-pixverse", {"speech": {"text": "x" * 201}}, "speech.text", "200 characters"),
        ("runware-pixverse", {"output_format": "MP4"}, "output_format", "outputFormat"),
    ],
)
def test_a_wrong_argument_is_named_with_its_limit(
    endpoint_id: str,
    given: dict[str, Any],
    field: str,
    words: str,
    clip: Clip,
    speech: Recording,
) -> None:
    error = refused(endpoint_id, given, clip, speech)
    assert error.field == field
    assert words in str(error)


def test_all_that_is_wrong_is_said_at_once(clip: Clip, speech: Recording) -> None:
    error = refused("fal-pipio", {"num_frames": 0, "seed": "x"}, clip, speech)
    assert error.field == "num_frames"
    assert "seed is x" in str(error)


@pytest.mark.parametrize(
    ("endpoint_id", "given", "name", "value"),
    [
        ("fal-sync", {"sync_mode": "LOOP"}, "sync_mode", "loop"),
        ("fal-pipio", {"num_frames": "All"}, "num_frames", "all"),
        ("fal-pipio", {"num_frames": "100"}, "num_frames", 100),
        ("fal-pipio", {"use_custom_prompt": "true"}, "use_custom_prompt", True),
        ("fal-pipio", {"vae_chunk_size": "1000001"}, "vae_chunk_size", 1000001),
        ("runware-pixverse", {"outputFormat": "webm"}, "outputFormat", "WEBM"),
        ("runware-pixverse", {"ttl": "60"}, "ttl", 60),
        ("fal-sync", {"webhook": "http://127.0.0.1:9/x"}, "webhook", "http://127.0.0.1:9/x"),
    ],
)
def test_text_from_a_command_line_is_read(
    endpoint_id: str,
    given: dict[str, Any],
    name: str,
    value: object,
    clip: Clip,
    speech: Recording,
) -> None:
    order = ENDPOINTS[endpoint_id].order(given, clip, speech)
    assert getattr(order.arguments, name) == value


@pytest.mark.parametrize(
    "given",
    [
        {"safety.mode": "full"},
        {"safety": {"mode": "FULL"}},
        {"safety": '{"mode": "full"}'},
        {"safety": {}, "safety.mode": "full"},
    ],
)
def test_nested_arguments_are_read_dotted_nested_or_as_json(
    given: dict[str, Any], clip: Clip, speech: Recording
) -> None:
    order = ENDPOINTS["runware-pixverse"].order(given, clip, speech)
    assert order.arguments.model_dump()["safety"]["mode"] == "full"


# ---------------------------------------------------------------------------------- media


@ALL
def test_a_url_in_the_endpoints_own_field_is_the_footage(
    endpoint_id: str, speech: Recording
) -> None:
    entry = ENDPOINTS[endpoint_id]
    given = {entry.video_field: URL, "num_frames": 10}
    if endpoint_id != "fal-pipio":
        del given["num_frames"]
    order = entry.order(given, None, speech)
    assert order.footage == RemoteMedia(URL)
    assert entry.order(given, RemoteMedia(URL), speech) == order


@ALL
def test_a_url_in_the_endpoints_own_field_is_the_speech(endpoint_id: str, clip: Clip) -> None:
    entry = ENDPOINTS[endpoint_id]
    order = entry.order({entry.audio_field: "https://example.com/a.wav"}, clip, None)
    assert order.speech == RemoteMedia("https://example.com/a.wav")


@ALL
def test_one_medium_given_in_two_ways_is_refused(
    endpoint_id: str, clip: Clip, speech: Recording
) -> None:
    entry = ENDPOINTS[endpoint_id]
    assert refused(endpoint_id, {entry.video_field: URL}, clip, speech).field == entry.video_field
    assert refused(endpoint_id, {entry.audio_field: URL}, clip, speech).field == entry.audio_field


@ALL
def test_neither_footage_nor_speech_is_refused(
    endpoint_id: str, clip: Clip, speech: Recording
) -> None:
    assert refused(endpoint_id, {}, None, speech).field == "--video"
    assert refused(endpoint_id, {}, clip, None).field == "--audio"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.mp4",
        "https://",
        "https://localhost/a.mp4",
        "https://127.0.0.1/a.mp4",
        "https://192.168.1.7/a.mp4",
        "https://[::1]/a.mp4",
        "https://[broken/a.mp4",
        "https://example.com/a b.mp4",
        "a.mp4",
        "",
        UUID,
    ],
)
def test_a_url_that_the_vendor_cannot_reach_is_refused(url: str, speech: Recording) -> None:
    assert refused("fal-sync", {"video_url": url}, None, speech).field == "video_url"
    assert refused("fal-sync", {}, RemoteMedia(url), speech).field == "--video"


def test_an_error_never_shows_the_signature_of_a_url(clip: Clip, speech: Recording) -> None:
    error = refused("fal-sync", {"video_url": f"{URL}?token=secret"}, clip, speech)
    assert "secret" not in str(error)
    assert "secret" not in str(error.value)


def test_a_uuid_stands_for_media_at_runware_alone(clip: Clip, speech: Recording) -> None:
    runware = ENDPOINTS["runware-pixverse"]
    assert runware.order({}, RemoteMedia(UUID.upper()), speech).footage == RemoteMedia(UUID)
    assert runware.order({"inputs.audio": UUID}, clip, None).speech == RemoteMedia(UUID)
    given = {"inputs": {"referenceVideos": [UUID]}}
    assert runware.order(given, None, speech).footage == RemoteMedia(UUID)


def test_more_reference_videos_than_one_are_sent_with_a_warning(speech: Recording) -> None:
    runware = ENDPOINTS["runware-pixverse"]
    given = {"inputs": {"referenceVideos": [URL, UUID]}}
    order = runware.order(given, None, speech)
    assert order.footage == RemoteMedia(URL)
    assert len(order.warnings) == 1
    request = runware.write_request(order, URL, UUID, timing=runware.predict(order, {}))
    assert request.body["inputs"]["referenceVideos"] == [URL, UUID]
    again = runware.order(order.arguments.model_dump(), order.footage, order.speech)
    assert again.arguments == order.arguments


@pytest.mark.parametrize("endpoint_id", [entry for entry in ENDPOINTS if entry != "fal-pipio"])
def test_a_still_is_refused_where_a_video_is_needed(
    endpoint_id: str, still: Clip, speech: Recording
) -> None:
    assert refused(endpoint_id, {}, still, speech).field == "--video"


@pytest.mark.parametrize("endpoint_id", PIXVERSE)
def test_what_is_over_pixverses_own_limits_is_only_warned_of(
    endpoint_id: str, clip: Clip, speech: Recording
) -> None:
    entry = ENDPOINTS[endpoint_id]
    at_limit = replace(clip, frame_count=750, width=1920, size_bytes=50_000_000)
    assert entry.order({}, at_limit, speech).warnings == ()
    long = entry.order({}, replace(clip, frame_count=751), speech)
    wide = entry.order({}, replace(clip, width=1922), speech)
    assert ["30.0 seconds" in text for text in long.warnings] == [True]
    assert ["1920 pixels" in text for text in wide.warnings] == [True]
    heavy = entry.order({}, replace(clip, size_bytes=50_000_001), speech)
    # What goes to AI/ML API is encoded to fit its far smaller body.
    assert len(heavy.warnings) == (0 if endpoint_id == "aimlapi-pixverse" else 1)
    talk = replace(speech, sound=replace(speech.sound, sample_count=48000 * 31))
    assert len(entry.order({}, clip, talk).warnings) == 1


def test_what_is_over_a_limit_of_the_vendor_is_refused() -> None:
    rules = MediaRules(
        frozenset(), frozenset(), refuse_seconds=Fraction(30), refuse_bytes=10, source="a page"
    )
    seconds = Fraction(30)
    assert limit_warnings(rules, "--video", seconds=seconds, size_bytes=10, longest_side=9) == []
    with pytest.raises(MediaTooLarge) as caught:
        limit_warnings(
            rules, "--video", seconds=seconds + Fraction(1, 25), size_bytes=1, longest_side=9
        )
    assert caught.value.limit == "30.0 seconds"
    with pytest.raises(MediaTooLarge):
        limit_warnings(rules, "--video", seconds=seconds, size_bytes=11, longest_side=9)


# ---------------------------------------------------------------------------------- text


@pytest.mark.parametrize("endpoint_id", PIXVERSE)
@pytest.mark.parametrize("voice", ["Emily", "emily", "ETHAN", "auto", "Auto", None])
def test_voices_are_found_whatever_their_case(
    endpoint_id: str, voice: str | None, clip: Clip
) -> None:
    entry = ENDPOINTS[endpoint_id]
    auto = "auto" if endpoint_id == "runware-pixverse" else "Auto"
    spelled = auto if voice in (None, "auto", "Auto") else str(voice).capitalize()
    order = entry.order({}, clip, SpokenText("Hello", voice))
    assert order.speech == SpokenText("Hello", spelled)


@pytest.mark.parametrize("endpoint_id", PIXVERSE)
def test_text_in_the_endpoints_own_fields_is_the_same_order(endpoint_id: str, clip: Clip) -> None:
    entry = ENDPOINTS[endpoint_id]
    assert entry.text_field
    assert entry.voice_field
    spoken = entry.order({}, clip, SpokenText("Hello", "Emily"))
    assert (
        entry.order({entry.text_field: "Hello", entry.voice_field: "emily"}, clip, None) == spoken
    )
    assert entry.order({entry.voice_field: "emily"}, clip, SpokenText("Hello")) == spoken
    picture = entry.picture_arguments(spoken)
    assert (picture["text"], picture["voice"]) == ("Hello", "Emily")


@pytest.mark.parametrize("endpoint_id", PIXVERSE)
def test_text_given_twice_must_be_the_same(endpoint_id: str, clip: Clip) -> None:
    entry = ENDPOINTS[endpoint_id]
    assert entry.text_field
    assert entry.voice_field
    error = refused(endpoint_id, {entry.text_field: "Bye"}, clip, SpokenText("Hello"))
    assert error.field == entry.text_field
    error = refused(endpoint_id, {entry.voice_field: "Ava"}, clip, SpokenText("Hello", "Emily"))
    assert error.field == entry.voice_field


@pytest.mark.parametrize("endpoint_id", PIXVERSE)
def test_an_unknown_voice_and_an_empty_text_are_refused(endpoint_id: str, clip: Clip) -> None:
    entry = ENDPOINTS[endpoint_id]
    error = refused(endpoint_id, {}, clip, SpokenText("Hello", "Bob"))
    assert error.field == entry.voice_field
    assert "Emily" in str(error)
    assert refused(endpoint_id, {}, clip, SpokenText(" \n")).field == entry.text_field


def test_201_characters_are_refused_where_documented_and_warned_of_elsewhere(clip: Clip) -> None:
    long, fits = SpokenText("x" * 201), SpokenText("x" * 200)
    error = refused("runware-pixverse", {}, clip, long)
    assert error.field == "speech.text"
    assert "201 characters; Runware speaks at most 200" in str(error)
    assert ENDPOINTS["runware-pixverse"].order({}, clip, fits).warnings == ()
    for endpoint_id in ("fal-pixverse", "aimlapi-pixverse"):
        assert len(ENDPOINTS[endpoint_id].order({}, clip, long).warnings) == 1
        assert ENDPOINTS[endpoint_id].order({}, clip, fits).warnings == ()


def test_with_sound_and_text_sound_wins_at_fal_with_a_warning(
    clip: Clip, speech: Recording
) -> None:
    order = ENDPOINTS["fal-pixverse"].order({"text": "Hello"}, clip, speech)
    assert order.speech == speech
    assert order.warnings == ("Sound was given, so text has no effect.",)
    given = {"audio_url": "https://example.com/a.wav"}
    order = ENDPOINTS["fal-pixverse"].order(given, clip, SpokenText("Hello"))
    assert order.speech == RemoteMedia("https://example.com/a.wav")
    assert len(order.warnings) == 1


@pytest.mark.parametrize(
    ("endpoint_id", "given", "field"),
    [
        ("aimlapi-pixverse", {"lip_sync_tts_content": "Hello"}, "lip_sync_tts_content"),
        ("aimlapi-pixverse", {"lip_sync_tts_speaker": "Ava"}, "lip_sync_tts_speaker"),
        ("runware-pixverse", {"speech": {"text": "Hello"}}, "speech.text"),
        ("runware-pixverse", {"speech": {"voice": "auto"}}, "speech.voice"),
    ],
)
def test_with_sound_and_text_both_are_refused_elsewhere(
    endpoint_id: str, given: dict[str, Any], field: str, clip: Clip, speech: Recording
) -> None:
    assert refused(endpoint_id, given, clip, speech).field == field


@pytest.mark.parametrize("endpoint_id", ["fal-sync", "fal-pipio"])
def test_text_is_refused_where_there_is_no_voice(endpoint_id: str, clip: Clip) -> None:
    assert refused(endpoint_id, {}, clip, SpokenText("Hello")).field == "--text"


def test_an_order_is_translated_to_every_vendor_of_its_model(clip: Clip) -> None:
    order = ENDPOINTS["fal-pixverse"].order(
        {"queue_priority": "low"}, clip, SpokenText("Hi", "ava")
    )
    voices = []
    for target in endpoints_of_model("PixVerse LipSync"):
        spoken = translate(order, target).speech
        assert isinstance(spoken, SpokenText)
        voices.append(spoken.voice)
    assert voices == ["Ava"] * 3
    auto = ENDPOINTS["fal-pixverse"].order({}, clip, SpokenText("Hi"))
    assert translate(auto, ENDPOINTS["runware-pixverse"]).speech == SpokenText("Hi", "auto")


# ---------------------------------------------------------------------------------- pipio


def test_an_edit_plan_becomes_the_four_lists_however_it_is_given(
    clip: Clip, speech: Recording
) -> None:
    pipio = ENDPOINTS["fal-pipio"]
    plan = EditPlan((Addition(50, 25),), (Removal(10, 19, 5),))
    lists = {
        "edit_addition_start_frames": [50],
        "edit_addition_durations": [25],
        "edit_removal_ranges": [10, 19],
        "edit_removal_bridge_durations": [5],
    }
    seconds = {
        "unit": "seconds",
        "additions": [{"at": 2, "duration": 1}],
        "removals": [{"from": 0.4, "to": 0.8, "bridge": 0.2}],
    }
    orders = [
        pipio.order(given, clip, speech)
        for given in (
            {"edits": plan},
            {"edits": seconds},
            {"edits": lists},
            lists,
            {"edits": plan, **lists},
        )
    ]
    assert all(order == orders[0] for order in orders)
    dumped = orders[0].arguments.model_dump()
    assert {name: dumped[name] for name in lists} == lists
    other = {"edits": EditPlan((Addition(1, 1),)), **lists}
    assert refused("fal-pipio", other, clip, speech).field == "edits"


def test_edits_in_seconds_count_at_the_rate_of_the_result(clip: Clip, speech: Recording) -> None:
    given = {
        "frame_rate": 50,
        "edits": {"unit": "seconds", "additions": [{"at": 1, "duration": 1}]},
    }
    arguments = ENDPOINTS["fal-pipio"].order(given, clip, speech).arguments.model_dump()
    assert arguments["edit_addition_start_frames"] == [50]
    assert arguments["edit_addition_durations"] == [50]


def test_edits_must_lie_in_the_frames_that_are_taken(clip: Clip, speech: Recording) -> None:
    plan = EditPlan(removals=(Removal(40, 59),))
    assert ENDPOINTS["fal-pipio"].order({"edits": plan}, clip, speech)
    given = {"edits": plan, "num_frames": 50}
    assert refused("fal-pipio", given, clip, speech).field == "removals[0]"
    remote = {"edits": plan, "num_frames": 50, "video": URL}
    assert refused("fal-pipio", remote, None, speech).field == "removals[0]"


def test_the_sound_is_cut_by_the_frames_that_are_taken(clip: Clip, speech: Recording) -> None:
    pipio, plan = ENDPOINTS["fal-pipio"], EditPlan(removals=(Removal(40, 49),))
    cases: list[tuple[dict[str, Any], Edited | None]] = [
        ({}, None),
        ({"edits": plan}, Edited(plan, 100, Fraction(25))),
        ({"edits": plan, "num_frames": 60}, Edited(plan, 60, Fraction(25))),
        ({"edits": plan, "frame_rate": 50}, Edited(plan, 200, Fraction(50))),
    ]
    for given, expected in cases:
        assert pipio.edited(pipio.order(given, clip, speech)) == expected
    assert ENDPOINTS["fal-sync"].edited(ENDPOINTS["fal-sync"].order({}, clip, speech)) is None


def test_sound_that_cannot_be_cut_for_a_url_is_said_so(speech: Recording) -> None:
    pipio, plan = ENDPOINTS["fal-pipio"], EditPlan(removals=(Removal(40, 49),))
    given = {"edits": plan, "num_frames": 60, "video": URL}
    order = pipio.order(given, None, speech)
    assert pipio.edited(order) is None
    assert ["sent as it is" in warning for warning in order.warnings] == [True]
    rated = pipio.order({**given, "frame_rate": 30}, None, speech)
    assert pipio.edited(rated) == Edited(plan, 60, Fraction(30))
    assert rated.warnings == ()


def test_a_still_has_no_native_rate_and_25_by_default(still: Clip, speech: Recording) -> None:
    pipio = ENDPOINTS["fal-pipio"]
    assert refused("fal-pipio", {"frame_rate": -1}, still, speech).field == "frame_rate"
    assert pipio.order({}, still, speech).arguments.model_dump()["frame_rate"] == 25
    assert pipio.order({"frame_rate": 30}, still, speech).arguments.model_dump()["frame_rate"] == 30


def test_all_frames_of_what_only_the_vendor_sees_cannot_be_counted(
    still: Clip, clip: Clip, speech: Recording
) -> None:
    sound = RemoteMedia("https://example.com/a.wav")
    assert refused("fal-pipio", {"video": URL}, None, speech).field == "num_frames"
    assert refused("fal-pipio", {}, still, sound).field == "num_frames"
    assert ENDPOINTS["fal-pipio"].order({}, clip, sound)
    assert ENDPOINTS["fal-pipio"].order({"video": {"url": URL}, "num_frames": 9}, None, speech)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"custom_prompt": "A film."}, "no effect"),
        ({"num_frames": 101}, "has 100 frames"),
        ({"num_frames": 60}, "last 40 frames are cut"),
    ],
)
def test_pipio_says_what_will_surprise(
    given: dict[str, Any], words: str, clip: Clip, speech: Recording
) -> None:
    (warning,) = ENDPOINTS["fal-pipio"].order(given, clip, speech).warnings
    assert words in warning


@pytest.mark.parametrize("endpoint_id", ["fal-pixverse", "fal-sync", "fal-pipio"])
def test_what_is_given_up_where_fal_keeps_nothing_is_told(
    endpoint_id: str, clip: Clip, speech: Recording
) -> None:
    (warning,) = ENDPOINTS[endpoint_id].order({"store_io": False}, clip, speech).warnings
    assert "store_io is off" in warning


def test_only_what_changes_the_picture_is_in_the_fingerprint(clip: Clip, speech: Recording) -> None:
    delivery = {
        "webhook": "https://example.com/hook",
        "queue_priority": "low",
        "start_deadline_seconds": 60,
        "logs": False,
        "store_io": False,
        "result_lifetime_seconds": 3600,
    }
    for endpoint_id in ("fal-pixverse", "fal-sync", "fal-pipio"):
        entry = ENDPOINTS[endpoint_id]
        plain, same = entry.order({}, clip, speech), entry.order(delivery, clip, speech)
        assert entry.picture_arguments(plain) == entry.picture_arguments(same)
    runware = ENDPOINTS["runware-pixverse"]
    callbacks = {"webhookURL": "https://example.com", "ttl": 60, "includeCost": False}
    plain, same = runware.order({}, clip, speech), runware.order(callbacks, clip, speech)
    assert runware.picture_arguments(plain) == runware.picture_arguments(same)
    assert set(runware.picture_arguments(plain)) == {
        "outputFormat",
        "outputQuality",
        "numberResults",
        "safety",
    }
    sync = ENDPOINTS["fal-sync"]
    loop = sync.order({"sync_mode": "loop"}, clip, speech)
    assert sync.picture_arguments(loop) == {"sync_mode": "loop"}
    pipio = ENDPOINTS["fal-pipio"]
    counted, whole = pipio.order({"num_frames": 100}, clip, speech), pipio.order({}, clip, speech)
    assert pipio.picture_arguments(counted) == pipio.picture_arguments(whole)


@pytest.mark.parametrize(
    "given", [{"url": URL, "content_type": "image/png"}, f'{{"url": "{URL}"}}']
)
def test_pipio_takes_the_file_object_of_its_page(given: Any, speech: Recording) -> None:
    order = ENDPOINTS["fal-pipio"].order({"video": given, "num_frames": 50}, None, speech)
    assert order.footage == RemoteMedia(URL)
