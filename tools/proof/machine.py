"""A state machine over the verbs: sequences that nobody thought of, made small where they fail."""

from __future__ import annotations

import contextlib
import io
import signal
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from .history import History
from .plans import ENDPOINTS, FAULTS, SUBMIT_FAULTS, VENDORS, Act, Fate, FaultKind, Plan
from .scene import Outcome, Stage

STEPS = 14

_SHARES = st.integers(0, 199).map(lambda part: part / 200)
_STRIKES = st.builds(
    Fate,
    st.sampled_from((signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGINT)),
    st.just(False),  # by steps: what fails can be done again
    _SHARES,
    _SHARES,
)
_UNHURT = Fate(None, by_clock=False, share=0.0, luck=0.0)
_FULL_DISKS = st.builds(Fate, st.none(), st.just(False), _SHARES, _SHARES, fills_disk=st.just(True))
_FATES = st.one_of(st.just(_UNHURT), _STRIKES, _STRIKES, _FULL_DISKS)


def prove_machine(made: Stage, vendor: str, *, seed: int, examples: int) -> Outcome:
    """``examples`` sequences at one vendor. A failure is told as the smallest one found."""
    total = Outcome(f"{vendor}/machine")

    class Purchase(RuleBasedStateMachine):
        """One purchase: what is done to it is drawn, what must hold is asked after each rule.

        What is drawn depends on nothing but what was drawn before: where a verb is not possible,
        run takes its place.
        """

        @initialize(
            endpoint=st.sampled_from(ENDPOINTS[vendor]),
            visibility=st.sampled_from((0, 0.5)),
            finish=st.sampled_from(("run", "resume")),
            is_hidden=st.sampled_from((False, False, False, True)),
        )
        def begin(self, endpoint: str, visibility: float, finish: str, is_hidden: bool) -> None:
            chosen = {
                "listing_visibility": dict.fromkeys(VENDORS, visibility),
                "lease_seconds": 5,
                "submit_timeout_seconds": 0.5,
                "poll_outage_seconds": 0.5,
                "max_download_bytes": 5_000_000,
            }
            plan = Plan(vendor, 0, endpoint, (), chosen, (), is_hidden, True, finish, False)
            self.history = History(plan, made)

        def _state(self) -> str:
            job = self.history.scene.job()
            return "" if job is None else str(job["state"])

        def _check(self) -> None:
            outcome = self.history.outcome
            if outcome.wrongs:
                story = "\n".join([*outcome.story, *(f"! {wrong}" for wrong in outcome.wrongs)])
                raise AssertionError(f"{vendor}:\n{story}")

        def _do(self, verb: str, fate: Fate, **more: Any) -> None:
            self.history.do(Act(verb, fate, comes_back=True, **more))
            self._check()

        @rule(fate=_FATES)
        def run(self, fate: Fate) -> None:
            self._do("run", fate)

        @rule(fate=_STRIKES, other=_FATES)
        def run_twice_at_once(self, fate: Fate, other: Fate) -> None:
            self._do("run", fate, twin=other)

        @rule(fate=_FATES)
        def resume(self, fate: Fate) -> None:
            self._do("resume", fate)

        @rule(fate=_FATES)
        def check(self, fate: Fate) -> None:
            self._do("check", fate)

        @rule(fate=_FATES)
        def cancel(self, fate: Fate) -> None:
            self._do("cancel", fate)

        @rule(fate=_FATES)
        def resubmit(self, fate: Fate) -> None:
            self._do("resubmit", fate)

        @rule(fate=_FATES)
        def discard(self, fate: Fate) -> None:
            self._do("discard", fate)

        @rule(
            fault=st.sampled_from((*FAULTS, *SUBMIT_FAULTS)),
            place=st.integers(0, 9),
            count=st.integers(1, 3),
        )
        def set_fault(self, fault: FaultKind, place: int, count: int) -> None:
            name, operations, seconds = fault
            document: dict[str, Any] = {"name": name, "vendor": vendor, "count": count}
            if operations:
                document["operation"] = operations[place % len(operations)]
            if seconds:
                document["seconds"] = seconds[place % len(seconds)]
            self.history.scene.box.fault(document)
            self.history.outcome.counts[f"fault {name}"] += 1
            self.history.scene.say(f"fault {document}")

        @rule()
        def end_faults(self) -> None:
            self.history.scene.box.end_faults()
            if self.history.plan.is_hidden:
                self.history.scene.hide()

        @rule()
        def kill_the_sandbox(self) -> None:
            self.history.restart_box()

        @rule()
        def lose_the_results(self) -> None:
            if self._state() == "FETCHED":
                self.history.lose_files()

        def teardown(self) -> None:
            if not hasattr(self, "history"):
                return
            outcome = self.history.outcome
            if not outcome.wrongs:
                self.history.finish()
            total.add(outcome)
            self._check()

    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    hypothesis.seed(seed)(Purchase)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            hypothesis.stateful.run_state_machine_as_test(Purchase, settings=chosen)
    except Exception as problem:  # noqa: BLE001 - also Flaky: it failed, and not again
        total.wrong(f"{said.getvalue()}{type(problem).__name__}: {problem}")
    return total
