"""What is wrong is said before anything runs, with the field, the limit and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.host.client import LIP_SYNCS, Refused, SampleGraph
from tests.host.hosting import Host, ModalSandbox
from viseme.endpoints import ENDPOINTS

SIGN_IN = ("Unauthorized: Please login first", "Payment Required: Please add credits")


def why_refused(comfy: Host, graph: SampleGraph) -> str:
    with pytest.raises(Refused) as caught:
        comfy.post(graph)
    texts = caught.value.texts
    assert not any(text in texts for text in SIGN_IN)
    spoken = "".join(texts.split("`")[::2])  # between backticks stands a whole command line
    assert "--" not in spoken, "an option of the command line is no input of a node"
    assert not any(endpoint_id in spoken for endpoint_id in ENDPOINTS), "nodes have other names"
    assert "leave it out" not in spoken, "a widget has always some value"
    return texts


@pytest.mark.parametrize("class_type", LIP_SYNCS)
@pytest.mark.parametrize(
    ("socket", "url"), [("media", "video_url"), ("audio", "audio_url")], ids=["media", "audio"]
)
def test_neither_a_medium_nor_its_url(
    comfy: Host, graph: SampleGraph, class_type: str, socket: str, url: str
) -> None:
    sync = graph.lip_sync(class_type)
    del sync.inputs[socket]
    graph.save(sync[0])
    texts = why_refused(comfy, graph)
    assert socket in texts
    assert url in texts


@pytest.mark.parametrize("class_type", LIP_SYNCS)
def test_urls_stand_for_media(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, class_type: str
) -> None:
    sync = graph.add(
        class_type,
        take=graph.take,
        video_url="https://example.com/face.mp4",
        audio_url="https://example.com/speech.wav",
        **({"num_frames": 50} if class_type == "VisemePipioLipSync" else {}),
    )
    graph.save(sync[0])
    receipt = graph.record(sync[4])
    assert comfy.run(graph).receipt(receipt)["state"] == "FETCHED"
    assert len(canned_box.charges()) == 1


@pytest.mark.parametrize(
    ("class_type", "given", "words"),
    [
        (
            "VisemePixverseLipSync",
            {"speech": "text", "speech.text": "Hi.", "speech.voice": "Zed"},
            ("voice", "Zed", "Emily"),
        ),
        ("VisemePixverseLipSync", {"speech": "text", "speech.text": " "}, ("speech is text",)),
        (
            "VisemePixverseLipSync",
            {"vendor": "Runware", "vendor.outputQuality": 5},
            ("outputQuality", "5", "20"),
        ),
        (
            "VisemeSyncLipSync2Pro",
            {"sync_mode": "stretch"},
            ("sync_mode", "stretch", "cut_off", "Choose one of them"),
        ),
        ("VisemeSyncLipSync2Pro", {"take": 0}, ("take", "0", "1", "Set a number in that range")),
        ("VisemeSyncLipSync2Pro", {"run_on": "moon"}, ("run_on", "moon", "sandbox")),
        ("VisemeSyncLipSync2Pro", {"source_fps": 0.5}, ("source_fps", "0.5", "1.0")),
        ("VisemeSyncLipSync2Pro", {"carry": "pigeon"}, ("carry", "pigeon", "upload")),
        ("VisemeSyncLipSync2Pro", {"video_url": "https://example.com/x.mp4"}, ("video_url",)),
        (
            "VisemePixverseLipSync",
            {"vendor": "AI/ML API", "carry": "upload"},
            ("carry", "upload", "AI/ML API", "inline"),
        ),
        (
            "VisemePixverseLipSync",
            {"vendor": "Runware", "carry": "inline"},
            ("carry", "inline", "Runware", "upload"),
        ),
        (
            "VisemePixverseLipSync",
            {
                "vendor": "Runware",
                "speech": "text",
                "speech.text": "a" * 300,
                "speech.voice": "Emily",
            },
            ("speech.text", "200"),
        ),
        ("VisemePipioLipSync", {"vae_chunk_size": 64}, ("vae_chunk_size", "64", "57", "65")),
        ("VisemePipioLipSync", {"num_frames": -3}, ("num_frames", "-3")),
        (
            "VisemePipioLipSync",
            {"start_deadline_seconds": 1},
            ("start_deadline_seconds", "over 1", "set it to 0"),
        ),
        (
            "VisemeSyncLipSync2Pro",
            {"result_lifetime_seconds": 10, "webhook": "nowhere"},
            ("result_lifetime_seconds is 10", "from 60", "set it to 0", "webhook is nowhere"),
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_value_that_cannot_be(
    comfy: Host, graph: SampleGraph, class_type: str, given: dict[str, Any], words: tuple[str, ...]
) -> None:
    graph.save(graph.lip_sync(class_type, **given)[0])
    texts = why_refused(comfy, graph)
    for word in words:
        assert word in texts, texts


@pytest.mark.parametrize("vendor", ["fal", "AI/ML API", "Runware"])
def test_a_text_with_words_of_the_vendor_in_it_is_shown_as_it_was_typed(
    comfy: Host, graph: SampleGraph, vendor: str
) -> None:
    address = "http://video.example.com/audio.mp4"
    given = {"vendor": vendor, "vendor.webhook" if vendor == "fal" else "vendor.x": "text, audio"}
    sync = graph.lip_sync("VisemePixverseLipSync", video_url=address, **given)
    del sync.inputs["media"]
    graph.save(sync[0])
    texts = why_refused(comfy, graph)
    assert f"video_url is {address}; " in texts
    assert ("webhook is text, audio; " in texts) == (vendor == "fal")


@pytest.mark.parametrize("class_type", LIP_SYNCS)
def test_a_url_that_is_not_https(comfy: Host, graph: SampleGraph, class_type: str) -> None:
    sync = graph.lip_sync(class_type, video_url="http://video.example.com/audio.mp4")
    del sync.inputs["media"]
    graph.save(sync[0])
    texts = why_refused(comfy, graph)
    for word in ("video_url is http://video.example.com/audio.mp4;", "https"):
        assert word in texts, texts


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"speech": "karaoke"}, ("speech", "karaoke", "text")),
        ({"vendor": "Acme"}, ("vendor", "Acme", "Runware")),
    ],
    ids=["speech", "vendor"],
)
def test_an_option_that_is_none_is_refused_before_anything_is_sent(
    comfy: Host,
    canned_box: ModalSandbox,
    graph: SampleGraph,
    given: dict[str, str],
    words: tuple[str, ...],
) -> None:
    """The host shows a node's own checks nothing of an option that it does not know."""
    graph.save(graph.lip_sync("VisemePixverseLipSync", **given)[0])
    texts = why_refused(comfy, graph)
    for word in (*words, "Choose one of them in the node."):
        assert word in texts
    assert canned_box.calls() == []


@pytest.mark.parametrize("run_on", ["sandbox (free)", "live (paid)"])
@pytest.mark.parametrize("vendor", ["runware", "", 7, ["1", 0]])
def test_a_vendor_that_is_none_is_what_is_refused_and_not_the_key_of_another(
    comfy: Host, graph: SampleGraph, vendor: object, run_on: str
) -> None:
    """An option that is linked is none either: the host gives its value to nobody."""
    graph.save(graph.lip_sync("VisemePixverseLipSync", vendor=vendor, run_on=run_on)[0])
    texts = why_refused(comfy, graph)
    assert f"vendor is {vendor!r}; it can be one of fal, AI/ML API, Runware." in texts
    assert "key" not in texts


def test_a_vendor_that_is_left_out_is_the_first_one(comfy: Host, graph: SampleGraph) -> None:
    """Whatever a prompt before it has had there."""
    sync = graph.lip_sync("VisemePixverseLipSync", vendor="runware", run_on="live (paid)")
    graph.save(sync[0])
    assert "FAL_KEY" not in why_refused(comfy, graph)
    del sync.inputs["vendor"]
    assert "FAL_KEY" in why_refused(comfy, graph)
    sync.inputs["vendor"] = "Runware"
    assert "RUNWARE_API_KEY" in why_refused(comfy, graph)


@pytest.mark.parametrize("given", [{"speech": "karaoke"}, {"vendor": "Acme"}])
def test_an_option_that_is_none_is_refused_in_an_expanded_graph(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, given: dict[str, str]
) -> None:
    """The host validates no nodes that come only while a graph is run."""
    made = graph.add(
        "HelperExpand",
        class_type="VisemePixverseLipSync",
        media=graph.clip[0],
        audio=graph.clip[1],
        widgets=json.dumps(given),
    )
    graph.save(made[0])
    assert "Choose one of them in the node." in comfy.execute(graph).error
    assert canned_box.calls() == []


def test_another_branch_of_the_prompt_still_runs(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """One node that is refused keeps no other output of the prompt from being made."""
    graph.save(graph.lip_sync(sync_mode="stretch")[0])
    good = graph.record(graph.clip[1])
    answer = comfy.http.post("/prompt", json={"prompt": graph.prompt}).json()
    assert answer["node_errors"]
    entry = comfy.wait(answer["prompt_id"])
    assert entry.facts(good)
    assert canned_box.calls() == []


def test_a_stray_link_and_stray_values_do_no_harm(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """What an older or newer version of the node had, or an option that is not chosen."""
    sync = graph.lip_sync(
        "VisemePixverseLipSync",
        **{"speech.audio": graph.clip[1], "vendor.numberResults": 3, "gone": graph.clip[2]},
        formerly=5,
    )
    graph.save(sync[0])
    assert comfy.run(graph).is_success
    assert len(canned_box.charges()) == 1


def test_a_text_at_a_socket_is_refused_in_words(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """The host lets it pass."""
    sync = graph.lip_sync(audio="hello")
    graph.save(sync[0])
    try:
        said = comfy.execute(graph).error
    except Refused as refused:
        said = refused.texts
    assert "audio" in said
    assert "AUDIO" in said
    assert canned_box.calls() == []


def test_a_cap_stops_a_purchase_before_anything_is_sent(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    sync = graph.lip_sync(max_price_usd=0.01)
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert "max_price_usd" in entry.error
    assert "0.01" in entry.error
    assert canned_box.calls() == []


def test_a_setting_is_named_with_its_file(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph
) -> None:
    """AI/ML API publishes no price, and an unknown one is over any cap."""
    sync = graph.lip_sync("VisemePixverseLipSync", max_price_usd=5, vendor="AI/ML API")
    graph.save(sync[0])
    error = comfy.execute(graph).error
    assert f"Set allow_unknown_price in {comfy.home}/settings.json" in error
    assert canned_box.calls() == []


@pytest.mark.parametrize(("socket", "url"), [("media", "video_url"), ("audio", "audio_url")])
@pytest.mark.parametrize("vendor", ["fal", "Runware"])
def test_an_address_that_turns_out_empty_is_asked_for_in_the_words_of_the_node(
    comfy: Host,
    canned_box: ModalSandbox,
    graph: SampleGraph,
    vendor: str,
    socket: str,
    url: str,
) -> None:
    """What is linked is not known before the run."""
    empty = graph.add("PrimitiveString", value="")
    sync = graph.lip_sync("VisemePixverseLipSync", vendor=vendor, **{url: empty[0]})
    del sync.inputs[socket]
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    assert f"Connect {socket}, or give {url}" in entry.error
    for foreign in ("FILE", "--", "inputs.", "argument"):
        assert foreign not in entry.error
    assert canned_box.calls() == []


@pytest.mark.parametrize("vendor", [None, "fal", "AI/ML API", "Runware"])
def test_a_text_that_turns_out_empty_is_asked_for_in_the_words_of_the_node(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, vendor: str | None
) -> None:
    """Of Lip Sync Prices too, where no vendor is named."""
    empty = graph.add("PrimitiveString", value=" ")
    speech = {"speech": "text", "speech.text": empty[0]}
    if vendor is None:
        node = graph.add("VisemeLipSyncPrices", media=graph.clip[0], **speech)
    else:
        node = graph.lip_sync("VisemePixverseLipSync", vendor=vendor, **speech)
        graph.save(node[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == node.id
    assert entry.error.strip() == (
        "speech is text, and there is none. Write what is to be spoken, or choose connected audio."
    )
    assert canned_box.calls() == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("reject-content", ("content",)),
        ("no-credit", ("balance", "top up")),
        ("job-fails", ("job",)),
        ("bad-key", ("key",)),
    ],
)
def test_what_the_vendor_refuses_is_said_with_the_job(
    comfy: Host, canned_box: ModalSandbox, graph: SampleGraph, fault: str, words: tuple[str, ...]
) -> None:
    canned_box.fault(fault)
    sync = graph.lip_sync()
    graph.save(sync[0])
    entry = comfy.execute(graph)
    assert entry.failed_node == sync.id
    for word in (*words, "job"):
        assert word in entry.error.lower(), entry.error
    assert not any(text in entry.error for text in SIGN_IN)
    assert canned_box.charges() == []


def test_live_without_a_key_is_refused_with_what_to_do_on_this_machine(
    comfy: Host, graph: SampleGraph
) -> None:
    graph.save(graph.lip_sync(run_on="live (paid)")[0])
    texts = why_refused(comfy, graph)
    assert "FAL_KEY" in texts
    assert "login" in texts
    assert str(comfy.home) in texts
