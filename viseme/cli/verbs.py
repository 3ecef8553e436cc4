"""Which function carries out which verb."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from ..jobs.signals import CancelToken
from . import buy, house, jobs, look

Verb = Callable[[argparse.Namespace, CancelToken], int]

VERBS: Mapping[str, Verb] = {
    "run": buy.run_verb,
    "quote": buy.quote_verb,
    "demo": buy.demo_verb,
    "endpoints": look.endpoints_verb,
    "edits": look.edits_verb,
    "jobs": jobs.jobs_verb,
    "show": jobs.show_verb,
    "check": jobs.check_verb,
    "resume": jobs.resume_verb,
    "cancel": jobs.cancel_verb,
    "resubmit": jobs.resubmit_verb,
    "discard": jobs.discard_verb,
    "spend": jobs.spend_verb,
    "login": house.login_verb,
    "logout": house.logout_verb,
    "sandbox": house.sandbox_verb,
    "clean": house.clean_verb,
    "doctor": house.doctor_verb,
}
