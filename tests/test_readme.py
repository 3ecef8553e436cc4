"""What the README tells people to type is real."""

from __future__ import annotations

import json
import re
import shlex
from fractions import Fraction
from pathlib import Path

import pytest

from viseme.cli.parser import build_parser
from viseme.edits import parse as parse_edits
from viseme.endpoints import ENDPOINTS
from viseme.endpoints import endpoint as endpoint_by_id
from viseme.errors import VisemeError
from viseme.home import Home
from viseme.sandbox.faults import KINDS
from viseme.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAPERS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)
COMMANDS = [
    re.split(r"\s{3,}(?=[a-z])", line)[0]  # what stands to the right of a list is its meaning
    for language, block in BLOCKS
    for line in block.splitlines()
    if not language and line.startswith("viseme ")
]
EXAMPLES = [block for language, block in BLOCKS if language == "json"]


def test_there_are_commands_for_every_endpoint() -> None:
    bought = {command.split()[2] for command in COMMANDS if command.startswith("viseme run")}
    assert bought == set(ENDPOINTS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_knows_every_command(command: str) -> None:
    options = build_parser().parse_args(shlex.split(command)[1:])
    for setting in getattr(options, "settings", []):
        name = setting.partition("=")[0]
        assert name in endpoint_by_id(options.endpoint).arguments_model.model_fields


def test_the_examples_of_edits_and_settings_are_taken(tmp_path: Path) -> None:
    _, edits, settings = EXAMPLES  # the first one is ComfyUI's
    plan = parse_edits(edits, Fraction(25))
    assert (len(plan.removals), len(plan.additions)) == (1, 1)
    home = Home(tmp_path)
    home.settings.write_text(settings, "utf-8")
    read = Settings.load(home.settings, {})
    assert set(json.loads(settings)) <= set(read.model_dump(exclude_defaults=True))


def test_all_faults_and_exit_codes_are_listed() -> None:
    (faults,) = re.findall(r"^Faults: (.*)\.$", README, re.M)
    assert set(faults.replace("`", "").split()) == set(KINDS)
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.M)}
    assert codes == {0} | {kind.exit_code for kind in _all_errors(VisemeError)}


def _all_errors(kind: type[VisemeError]) -> set[type[VisemeError]]:
    return {kind}.union(*(_all_errors(inner) for inner in kind.__subclasses__()))


@pytest.mark.parametrize("name", PAPERS)
def test_links_and_paths_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target
    for path in re.findall(r"`((?:viseme|tests|tools)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path
