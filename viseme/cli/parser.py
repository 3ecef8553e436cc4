"""The verbs and their options."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..endpoints import ENDPOINTS
from ..errors import InputError
from ..model import Carry, Vendor

MOST_COUNTED = 10**9
VENDORS = [vendor.value for vendor in Vendor]


EDITS_FORM = (
    'An edit plan is JSON: {"unit": "seconds", '
    '"removals": [{"from": 1.2, "to": 1.8, "bridge": 0.2}], '
    '"additions": [{"at": 3, "duration": 0.5}]}. '
    "The unit is seconds or frames, counted from 0 on the clip as it is; `to` itself is kept; a "
    "bridge is new picture across the cut, none is a jump cut. pipio's four edit_ lists are taken "
    "as they are."
)


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are errors like all others."""

    def error(self, message: str) -> NoReturn:
        field, value, limit = _parts(message)
        raise InputError(
            f"{message}.",
            field=field,
            value=value,
            limit=limit,
            remedy=f"See `{self.prog} --help`.",
        )


def _parts(message: str) -> tuple[str, str | None, str | None]:
    """The option, what was given and what is allowed, as far as argparse's sentence has them."""
    option = re.match(r"argument ([^:\s/]+)", message)
    given = re.search(r"(?:invalid \w+(?: value)?|value): '([^']*)'", message)
    choices = re.search(r"\(choose from (.*)\)", message)
    return (
        option[1] if option else "command line",
        given[1] if given else None,
        choices[1].replace("'", "") if choices else None,
    )


def _gigabytes(text: str) -> float:
    """A number that is not negative."""
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 <= size < MOST_COUNTED:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return size


def _seconds(text: str) -> float:
    """A number of seconds over 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds over 0")
    return seconds


def _folder(text: str) -> Path:
    """A folder; an empty text, as of a variable that is not set, is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("no folder is named")
    return Path(text)


def _count(text: str) -> int:
    """A whole number from 1."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= MOST_COUNTED):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def build_parser() -> Parser:
    parser = Parser(
        prog="viseme",
        description="Hosted lip-sync, bought once; free in the sandbox.",
        epilog="Exit codes: 0 done, 1 this machine failed, 2 bad input, 3 credentials, 4 the "
        "vendor refused or failed, 5 outcome unknown, 6 over budget, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"viseme {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_buying(verbs)
    _add_looking(verbs)
    _add_jobs(verbs)
    _add_house(verbs)
    return parser


def _add_buying(verbs: argparse._SubParsersAction[Parser]) -> None:
    run = _verb(verbs, "run", "buy one lip-sync, or come back to it where it was bought already")
    _add_wish(run)
    _add_sandbox(run)
    run.add_argument("--max-usd", metavar="USD", help="refuse what may cost more than this")
    run.add_argument(
        "--time-limit", type=_seconds, metavar="SECONDS", help="how long to wait for the result"
    )
    run.add_argument("-o", "--out", type=Path, metavar="OUT", help="where the result is copied to")
    quote = _verb(verbs, "quote", "what it would cost, at every vendor that sells the model")
    _add_wish(quote)
    demo = _verb(verbs, "demo", "one lip-sync in the sandbox, free, on the sample or your files")
    demo.add_argument("--endpoint", default="fal-sync", choices=list(ENDPOINTS))
    demo.add_argument("--video", metavar="V", help="a video instead of the sample")
    demo.add_argument("--audio", metavar="A", help="speech instead of the sample's")
    demo.add_argument("-o", "--out", type=Path, default=Path("viseme-demo.mp4"), metavar="OUT")


def _add_wish(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("endpoint", metavar="ENDPOINT", help=", ".join(ENDPOINTS))
    verb.add_argument("--video", metavar="V", help="path, https URL or (Runware) UUID")
    verb.add_argument("--audio", metavar="A", help="speech: path, https URL or (Runware) UUID")
    verb.add_argument("--text", help="text to be spoken by the vendor's voice")
    verb.add_argument("--voice", help="the voice that speaks it")
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="any documented argument, dotted where nested; see `viseme endpoints ENDPOINT`",
    )
    verb.add_argument(
        "--edits",
        type=Path,
        metavar="EDITS.json",
        help="edit plan (fal-pipio); the speech is cut as the frames are",
    )
    verb.add_argument(
        "--audio-is-edited",
        action="store_true",
        help="with --edits: --audio is the final track, do not cut it",
    )
    verb.add_argument("--take", type=int, default=1, metavar="N", help="another one buys another")
    verb.add_argument(
        "--carry",
        default=Carry.AUTO.value,
        choices=[Carry.AUTO.value, Carry.INLINE.value, Carry.UPLOAD.value],
        help="how media travel",
    )


def _add_sandbox(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--sandbox",
        nargs="?",
        const="",
        metavar="URL",
        help="use the sandbox: this home's own, or the one with this control address",
    )


def _add_looking(verbs: argparse._SubParsersAction[Parser]) -> None:
    endpoints = _verb(verbs, "endpoints", "what can be bought; all arguments of one")
    endpoints.add_argument("endpoint", nargs="?", metavar="ENDPOINT")
    edits = _verb(verbs, "edits", "edit plans without buying anything", common=False)
    actions = edits.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=Parser
    )
    apply = _verb(actions, "apply", "the cut as a video, with its sound; free")
    apply.epilog = EDITS_FORM
    apply.add_argument("edits", type=Path, metavar="EDITS.json")
    apply.add_argument("--video", required=True, metavar="V")
    apply.add_argument("--audio", metavar="A", help="instead of the video's own sound")
    apply.add_argument("-o", "--out", type=Path, required=True, metavar="OUT")


def _add_jobs(verbs: argparse._SubParsersAction[Parser]) -> None:
    jobs = _verb(verbs, "jobs", "all jobs, newest first")
    jobs.add_argument("--limit", type=_count, default=50, metavar="N")
    _job_verb(verbs, "show", "the receipt of a job", sandbox=False)
    _job_verb(verbs, "check", "ask the vendor how a job stands, and fetch what it has")
    resume = _job_verb(verbs, "resume", "bring a job to its end; fetch its results again")
    _job_verb(verbs, "cancel", "ask the vendor to stop a job")
    resubmit = _job_verb(verbs, "resubmit", "submit a job in doubt anew; may be a second charge")
    for verb in (resume, resubmit):
        verb.add_argument("-o", "--out", type=Path, metavar="OUT")
        verb.add_argument("--time-limit", type=_seconds, metavar="SECONDS")
    _job_verb(verbs, "discard", "give up a job in doubt", sandbox=False)
    spend = _verb(verbs, "spend", "what was spent, by vendor and endpoint")
    spend.add_argument("--since", metavar="DATE", help="YYYY-MM-DD (UTC); everything by default")


def _add_house(verbs: argparse._SubParsersAction[Parser]) -> None:
    for name, text in (("login", "keep a vendor's key"), ("logout", "forget a vendor's key")):
        verb = _verb(verbs, name, text)
        verb.add_argument("vendor", choices=VENDORS, metavar="VENDOR", help=", ".join(VENDORS))
    sandbox = _verb(verbs, "sandbox", "the three vendors, simulated on this machine")
    sandbox.add_argument("--port", type=int, metavar="N", help="of the control address")
    sandbox.add_argument("--fault", action="append", default=[], metavar="NAME[:COUNT]")
    sandbox.add_argument("--time-scale", type=float, default=1.0, metavar="X")
    sandbox.add_argument("--no-render", action="store_true", help="answer with a canned clip")
    sandbox.add_argument(
        "--pixverse-timing",
        choices=["speech", "clip"],
        default="speech",
        help="what PixVerse's result is as long as; no document says it",
    )
    sandbox.add_argument("--idle-seconds", type=float, metavar="S", help="end after so long unused")
    clean = _verb(verbs, "clean", "make room: old results over the size that settings allow")
    clean.epilog = (
        "Spared are results younger than a day, those that a running program has given out, and "
        "what is not wholly fetched. A result that was removed is fetched again with `resume`, "
        "while the vendor has it."
    )
    clean.add_argument(
        "--results-gb",
        type=_gigabytes,
        metavar="N",
        help="keep at most so much (10^9 bytes) instead of max_results_bytes",
    )
    _verb(verbs, "doctor", "versions, codecs, keys set or not, home, settings, database")


def _job_verb(
    verbs: argparse._SubParsersAction[Parser], name: str, text: str, *, sandbox: bool = True
) -> Parser:
    verb = _verb(verbs, name, text)
    verb.add_argument("job", metavar="ID", help="or as much of it as is unique")
    if sandbox:
        _add_sandbox(verb)
    return verb


def _verb(
    verbs: argparse._SubParsersAction[Parser], name: str, text: str, *, common: bool = True
) -> Parser:
    verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if common:
        verb.add_argument("--home", type=_folder, metavar="DIR", help="where everything is kept")
        verb.add_argument("--json", action="store_true", help="print one JSON document")
    return verb
