from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from viseme.errors import InputError
from viseme.model import Vendor
from viseme.settings import LIVE_BASE_URLS, PollIntervals, Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def write(path: Path, document: Any) -> None:
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")


def refused(path: Path, environment: dict[str, str] | None = None) -> InputError:
    with pytest.raises(InputError) as raised:
        Settings.load(path, environment or {})
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    return raised.value


def test_without_a_file_everything_is_a_default(path: Path) -> None:
    settings = Settings.load(path, {})
    assert settings.model_dump() == Settings().model_dump()
    assert settings.max_usd_per_job is None
    assert all(settings.max_usd_per_day(vendor) is None for vendor in Vendor)
    assert not settings.allow_unknown_price
    assert settings.live_base_urls == LIVE_BASE_URLS
    assert settings.deadline_seconds == 3600
    assert settings.inline_body_bytes == 4 * 1024 * 1024
    assert settings.aimlapi_body_bytes == 10_000_000
    assert {origin.origin for origin in settings.origins().values()} == {"default"}


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().allow_unknown_price = True  # type: ignore[misc]


def test_each_value_tells_where_it_is_from(path: Path) -> None:
    write(
        path,
        {
            "max_usd_per_job": "2.00",
            "max_usd_per_vendor_day": {"fal": 5.1},
            "poll": {"runware": {"growth": 2}},
            "base_urls": {"fal.queue": "http://127.0.0.1:4001/"},
            "trusted_result_hosts": ["*.Example.com"],
            "assumed": {"pixverse_length": "clip"},
            "deadline_seconds": 60,
        },
    )
    settings = Settings.load(
        path,
        {
            "VISEME_DEADLINE_SECONDS": "90",
            "VISEME_ALLOW_UNKNOWN_PRICE": "yes",
            "VISEME_SANDBOX": "http://127.0.0.1:4000",
            "VISEME_HOME": "/somewhere",
        },
    )
    assert settings.max_usd_per_job == Decimal("2.00")
    assert settings.max_usd_per_day(Vendor.FAL) == Decimal("5.1")
    assert settings.max_usd_per_day(Vendor.RUNWARE) is None
    assert settings.poll_intervals(Vendor.RUNWARE).growth == 2
    assert settings.live_base_urls["fal.queue"] == "http://127.0.0.1:4001"
    assert settings.live_base_urls["fal.run"] == "https://fal.run"
    assert settings.trusted_result_hosts == ("*.example.com",)
    assert settings.assumed == {"pixverse_length": "clip"}
    assert settings.deadline_seconds == 90
    assert settings.allow_unknown_price
    assert settings.sandbox_url == "http://127.0.0.1:4000"
    origins = {name: one.origin for name, one in settings.origins().items()}
    from_file = {name for name, origin in origins.items() if origin == "file"}
    from_environment = {name for name, origin in origins.items() if origin == "environment"}
    assert from_file == {
        "max_usd_per_job",
        "max_usd_per_vendor_day.fal",
        "poll.runware.growth",
        "base_urls.fal.queue",
        "trusted_result_hosts",
        "assumed.pixverse_length",
    }
    assert from_environment == {"deadline_seconds", "allow_unknown_price", "sandbox_url"}
    assert settings.origins()["base_urls.fal.queue"].value == "http://127.0.0.1:4001"


@pytest.mark.parametrize(
    ("document", "field", "parts"),
    [
        ({"max_usd_per_jb": 1}, "max_usd_per_jb", ["Did you mean max_usd_per_job?"]),
        ({"poll": {"fal": {"first_secs": 1}}}, "poll.fal.first_secs", ["first_seconds?"]),
        ({"base_urls": {"fal.que": "https://x.y"}}, "base_urls.fal.que", ["fal.queue?"]),
        ({"max_usd_per_vendor_day": {"falcon": 1}}, "max_usd_per_vendor_day.falcon", ["fal"]),
        ({"zzz": 1}, "zzz", ["Known are:", "deadline_seconds"]),
        ({"max_usd_per_job": "a dollar"}, "max_usd_per_job", ['"a dollar"', "US dollars"]),
        ({"max_usd_per_job": True}, "max_usd_per_job", ["true", "US dollars"]),
        ({"max_usd_per_job": [1]}, "max_usd_per_job", ["US dollars"]),
        ({"max_usd_per_job": "NaN"}, "max_usd_per_job", ["US dollars"]),
        ({"max_usd_per_job": -0.01}, "max_usd_per_job", ["-0.01", "0"]),
        ({"max_usd_per_vendor_day": {"fal": -1}}, "max_usd_per_vendor_day.fal", ["-1"]),
        ({"allow_unknown_price": 1}, "allow_unknown_price", ["1", "boolean"]),
        ({"allow_unknown_price": "false"}, "allow_unknown_price", ["boolean"]),
        ({"deadline_seconds": "60"}, "deadline_seconds", ['"60"', "number"]),
        ({"deadline_seconds": 0}, "deadline_seconds", ["0", "greater than 0"]),
        ({"inline_body_bytes": 1.5}, "inline_body_bytes", ["1.5", "integer"]),
        ({"concurrency": {"fal": 0}}, "concurrency.fal", ["0", "1"]),
        ({"concurrency": 3}, "concurrency", ["3"]),
        ({"multipart_part_bytes": 1000}, "multipart_part_bytes", ["1000", "5242880"]),
        (
            {"poll": {"aimlapi": {"first_seconds": 5}}},
            "poll.aimlapi.first_seconds",
            ["5", "10"],
        ),
        (
            {"poll": {"fal": {"first_seconds": 9}}},
            "poll.fal",
            ["most_seconds"],
        ),
        ({"base_urls": {"fal.queue": "ftp://x.y"}}, "base_urls.fal.queue", ["https://"]),
        ({"base_urls": {"fal.queue": "https://x.y/?a=b"}}, "base_urls.fal.queue", ["query"]),
        ({"base_urls": {"fal.queue": "https://x.y:99999"}}, "base_urls.fal.queue", ["URL"]),
        ({"trusted_result_hosts": ["https://x.y"]}, "trusted_result_hosts.0", ["host name"]),
        ({"trusted_result_hosts": ["*"]}, "trusted_result_hosts.0", ["host name"]),
        ({"trusted_result_hosts": "x.y"}, "trusted_result_hosts", ["x.y"]),
        ({"assumed": {"a": 1}}, "assumed.a", ["1", "string"]),
        ({"deadline_seconds": None}, "deadline_seconds", ["null"]),
    ],
)
def test_a_wrong_file_is_one_line_with_file_key_value_and_limit(
    path: Path, document: Any, field: str, parts: list[str]
) -> None:
    write(path, document)
    error = refused(path)
    assert error.field == field
    assert str(path) in error.message
    for part in [field, *parts]:
        assert part in str(error)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[", "is not JSON"),
        ("", "is not JSON"),
        ("[]", "one JSON object"),
        ('{"a": 1, "a": 2}', "more than once"),
        ('{"deadline_seconds": NaN}', "NaN"),
        ('{"deadline_seconds": Infinity}', "Infinity"),
    ],
)
def test_what_is_not_a_json_object_is_said(path: Path, text: str, part: str) -> None:
    write(path, text)
    error = refused(path)
    assert part in error.message
    assert str(path) in error.message


def test_a_file_with_a_byte_order_mark_is_read(path: Path) -> None:
    path.write_text('{"deadline_seconds": 5}', encoding="utf-8-sig")
    assert Settings.load(path, {}).deadline_seconds == 5


def test_files_that_cannot_be_read_are_said(path: Path) -> None:
    path.write_bytes(b"\xff\xfe{}")
    assert "UTF-8" in refused(path).message
    path.unlink()
    path.mkdir()
    assert str(path) in refused(path).message


def test_a_key_in_a_url_is_not_repeated(path: Path) -> None:
    write(path, {"base_urls": {"fal.queue": "https://user:hunter2@x.y"}})
    error = refused(path)
    assert "hunter2" not in f"{error} {error.value} {error.limit}"


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("VISEME_DEADLINE_SECONDS", "soon", "soon"),
        ("VISEME_DEADLINE_SECONDS", "NaN", "NaN"),
        ("VISEME_MAX_USD_PER_JOB", "1,50", "1,50"),
        ("VISEME_ALLOW_UNKNOWN_PRICE", "perhaps", "perhaps"),
        ("VISEME_SANDBOX", "localhost:4000", "localhost:4000"),
        ("VISEME_MAX_USD_PER_JBO", "1", "VISEME_MAX_USD_PER_JOB"),
    ],
)
def test_a_wrong_variable_is_named(path: Path, name: str, text: str, part: str) -> None:
    error = refused(path, {name: text})
    assert error.field == name
    assert part in str(error)


def test_empty_and_foreign_variables_set_nothing(path: Path) -> None:
    environment = {"VISEME_DEADLINE_SECONDS": " ", "VISEME_MY_OWN": "x", "FAL_KEY": "y"}
    assert Settings.load(path, environment).model_dump() == Settings().model_dump()


@pytest.mark.parametrize("text", ["true", "1", "Yes", "ON"])
def test_a_truth_may_be_written_in_several_ways(path: Path, text: str) -> None:
    assert Settings.load(path, {"VISEME_ALLOW_UNKNOWN_PRICE": text}).allow_unknown_price
    settings = Settings.load(path, {"VISEME_ALLOW_UNKNOWN_PRICE": "no"})
    assert not settings.allow_unknown_price


def test_a_cap_is_exact(path: Path) -> None:
    write(path, '{"max_usd_per_job": 0.1}')
    assert Settings.load(path, {}).max_usd_per_job == Decimal("0.1")
    assert Settings.load(path, {"VISEME_MAX_USD_PER_JOB": "0.30"}).max_usd_per_job == Decimal("0.3")


def test_intervals_grow_to_their_most() -> None:
    runware = Settings().poll_intervals(Vendor.RUNWARE)
    waits = [runware.after(count) for count in range(8)]
    assert waits == [1.0, 1.5, 2.25, 3.375, 5.0625, 7.59375, 10.0, 10.0]
    assert runware.after(10**9) == 10.0
    assert Settings().poll_intervals(Vendor.FAL).after(0) == 0.5
    assert min(Settings().poll_intervals(Vendor.AIMLAPI).after(n) for n in range(50)) >= 10
    assert PollIntervals(first_seconds=2, growth=1, most_seconds=3).after(99) == 2


def test_an_assumption_that_nobody_makes_is_refused_with_the_closest_one(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"assumed": {"pixverse_lenght": "clip"}}')
    with pytest.raises(InputError, match="pixverse_length") as caught:
        Settings.load(path, {})
    assert caught.value.field == "assumed.pixverse_lenght"


def test_an_assumption_takes_only_its_options(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"assumed": {"pixverse_length": "both"}}')
    with pytest.raises(InputError) as caught:
        Settings.load(path, {})
    assert caught.value.limit == "speech, clip"
