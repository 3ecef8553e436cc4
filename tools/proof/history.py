"""One history is played: commands with crashes and faults, then the way out of all of it.

What was bought is counted from the sandbox alone; the ledger is looked at only to know in which
state a crash left a job, and as the user sees it (``viseme jobs``, ``viseme show``).
"""

from __future__ import annotations

import shutil
import time
from typing import Any

from .crash import Blow, Ended, Victim, all_ended, quiet
from .judge import Judge
from .plans import Act, Plan
from .scene import DEAD, IN_DOUBT, Outcome, Row, Scene, Stage, played, states

RECOVERIES = 3  # commands; one is promised


class History:
    """One purchase from its first command to its end."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.plan = plan
        self.scene = Scene(plan, stage)
        self.outcome = self.scene.outcome
        self._judge = Judge(self.scene)

    def play(self) -> Outcome:
        """All acts of the plan, and the end."""
        return played(self.scene, self._play)

    def _play(self) -> None:
        for act in self.plan.acts:
            self.do(act)
        self.finish()

    def do(self, act: Act) -> None:
        """One command, perhaps two at once, struck as the act says."""
        scene = self.scene
        job = scene.job()
        if job is not None and job["state"] == "FETCHED" and not act.comes_back:
            return
        verb = _possible(act.verb, job)
        for fault in act.faults:
            scene.box.fault(fault)
            self.outcome.counts[f"fault {fault['name']}"] += 1
        blows = self._blows(act, verb, job)
        words = scene.words(verb, None if verb == "run" else job)
        victims = [
            Victim(words, blow, is_fresh=act.is_fresh and place == 0)
            for place, blow in enumerate(blows)
        ]
        self.outcome.counts["second processes"] += len(victims) - 1
        if act.box_dies_after is not None:
            time.sleep(act.box_dies_after)
            self.restart_box()
        ends = all_ended(victims)
        scene.look_again()
        for place, end in enumerate(ends):
            self._note(verb, blows[place], end, is_fresh=act.is_fresh and place == 0)
        seconds = max(end.seconds for end in ends)
        told = f"{verb} {_told(act, blows[0])} -> {list(map(_short, ends))} {seconds:.1f} s"
        scene.say(f"{told} {self._states()}")
        if verb == "resubmit" and any(_sent_anew(row, job) for row in scene.rows()):
            scene.anew += len(ends)
        if verb == "discard" and scene.state_of(job) == "DISCARDED":
            scene.anew += 1
        for end in ends:
            self._judge.command(verb, end, was_alone=len(ends) == 1)
        self._judge.after(verb, job)

    def restart_box(self) -> None:
        """``kill -9`` for the sandbox, which comes back at other addresses without its faults."""
        self.scene.box.restart()
        if self.plan.is_hidden:
            self.scene.hide()
        self.outcome.counts["sandboxes killed"] += 1

    def lose_files(self) -> None:
        """Somebody clears the results folder."""
        shutil.rmtree(self.scene.home / "results", ignore_errors=True)
        self.scene.say("the results folder is cleared")

    def finish(self) -> None:
        """No more faults: one command brings home what was bought; then all is counted."""
        scene = self.scene
        scene.box.end_faults()
        scene.use_patience()
        self._judge.listing()
        if self.plan.is_hidden:
            scene.hide()
            self._recover(can_look_up=False)
            self._judge.doubt_is_said()
            scene.box.end_faults()
        scene.use_patience(is_listed=self._judge.must_be_found())
        self._recover(can_look_up=True)
        self._judge.final()
        job = scene.job()
        if self.plan.gives_up and job is not None and job["state"] == "UNKNOWN":
            self._give_up(job)

    def _recover(self, *, can_look_up: bool) -> None:
        """One command, as a user would: the same again, or resume."""
        scene = self.scene
        job = scene.job()
        if job is None and scene.rows():
            return  # it was cancelled, or refused: nothing is left to be brought home
        verb = "run" if job is None else self.plan.finish
        commands = 0
        while commands < RECOVERIES:
            commands += 1
            before = job
            end = Victim(scene.words(verb, None if verb == "run" else job)).ended()
            scene.look_again()
            self._note(verb, Blow(), end, is_fresh=False)
            scene.say(f"at last {verb} -> {_short(end)} {end.seconds:.1f} s {self._states()}")
            self._judge.command(verb, end, was_alone=True)
            self._judge.after(verb, before)
            job = job or scene.job()
            now = scene.state_of(job)
            may_stay = now == "UNKNOWN" and not (can_look_up and self._judge.must_be_found())
            if now in DEAD or may_stay or (now == "FETCHED" and end.code == 0):
                break
        self.outcome.peak("commands to recover", commands)
        if commands > 1:
            self.outcome.wrong(f"{commands} commands were needed to recover")

    def _give_up(self, job: Row) -> None:
        """The way out of a job that nobody can tell about: discard, and the same command buys."""
        charged = len(self.scene.charges())
        quiet(self.scene.words("discard", job))
        end = Victim(self.scene.words("run")).ended()
        self.scene.say(f"given up, and run -> {_short(end)}")
        if end.code != 0 or len(self.scene.charges()) != charged + 1:
            self.outcome.wrong(f"given up and run again: {end.code}, {self.scene.charges()}")
        self.outcome.counts["given up and bought anew"] += 1

    def _blows(self, act: Act, verb: str, job: Row | None) -> list[Blow]:
        state = "" if job is None else str(job["state"])
        usual = self.scene.stage.usual_seconds
        seconds = usual.get(verb, usual["run"] / 2)
        first = act.fate.blow(verb, state, seconds)
        if act.is_fresh:
            first = act.fate.of_fresh_process(usual["fresh"])
        if act.twin is None:
            return [first]
        return [first, act.twin.blow(verb, state, seconds)]

    def _note(self, verb: str, blow: Blow, end: Ended, *, is_fresh: bool) -> None:
        counts = self.outcome.counts
        counts["commands"] += 1
        self.outcome.peak("seconds of a command", end.seconds)
        if end.code is None:
            counts["crash points"] += 1
            counts["killed"] += 1
            how = "at a random time" if blow.seconds is not None else "at a traced line"
            counts["killed fresh" if is_fresh else f"killed {how}"] += 1
            counts[f"killed in {verb}"] += 1
        elif end.was_struck:
            counts["crash points"] += 1
            counts["interrupted"] += 1
            self.outcome.peak("seconds to return from an interrupt", end.after_blow_seconds)
        elif end.had_full_disk:
            counts["full disks"] += 1
        elif end.code == 0 and blow.step is None and (verb == "run" or not is_fresh):
            usual = self.scene.stage.usual_seconds
            kind = "fresh" if is_fresh else verb
            known = usual.get(kind, end.seconds)
            usual[kind] = 0.7 * known + 0.3 * min(end.seconds, 4 * known)

    def _states(self) -> list[str]:
        return states(self.scene.rows())


def _possible(verb: str, job: Row | None) -> str:
    """What is not possible is not tried: run instead."""
    if job is None or (verb in ("resubmit", "discard") and job["state"] not in IN_DOUBT):
        return "run"
    return verb


def _sent_anew(row: Row, job: Row | None) -> bool:
    is_same = job is not None and row["id"] == job["id"]
    return is_same and job is not None and row["request_token"] != job["request_token"]


def _short(end: Ended) -> str:
    if end.code is None:
        return "killed"
    text = str(end.error.get("message", ""))[:90]
    struck = " after a signal" if end.was_struck else " on a full disk" if end.had_full_disk else ""
    return f"{end.code}{struck} {text}".strip()


def _told(act: Act, blow: Blow) -> str:
    parts = [_fault_text(fault) for fault in act.faults]
    if blow.fills_disk:
        parts.append(f"disk full at {blow.after or 'start'}+{blow.step}")
    elif blow.step is not None:
        parts.append(f"signal {int(blow.signal_number)} at {blow.after or 'start'}+{blow.step}")
    elif blow.seconds is not None:
        parts.append(f"signal {int(blow.signal_number)} after {blow.seconds:.3f} s")
    parts += ["started anew"] if act.is_fresh else []
    parts += ["twice at once"] if act.twin is not None else []
    parts += ["sandbox killed"] if act.box_dies_after is not None else []
    return f"[{', '.join(parts)}]"


def _fault_text(fault: dict[str, Any]) -> str:
    parts = (fault.get(name) for name in ("name", "operation", "seconds", "count"))
    return ":".join(str(part) for part in parts if part is not None)
