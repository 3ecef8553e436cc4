"""The ``viseme`` command: arguments in, the core called, documents and exit codes out."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import Interrupted, LocalError, VisemeError
from ..home import find_home
from ..jobs.signals import CancelToken
from ..secret import redact
from .output import error_document, note, print_json

INTERRUPTED = Interrupted.exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Every failure ends as one clear line."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in given
    home_given: Path | None = None
    is_parsed = False
    try:
        with _without_collections():
            from .parser import build_parser
            from .verbs import verb_named
        options = build_parser().parse_args(given)
        home_given, is_parsed = getattr(options, "home", None), True
        with _without_collections():
            verb = verb_named(options.verb)
            if arguments is None:  # the program's own start, and not a call from another program
                gc.freeze()  # later collections do not look at it either
        cancel = CancelToken()
        with _signals(cancel):
            return verb(options, cancel)
    except VisemeError as problem:
        if is_parsed:  # else it is not known which home was meant
            _complete(problem, home_given)
        _show(problem, as_json)
        return problem.exit_code
    except KeyboardInterrupt:
        _show(Interrupted("Stopped by the user."), as_json)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return LocalError.exit_code
    except OSError as problem:
        name = f"{problem.filename}: " if problem.filename else ""
        _show(LocalError(f"{name}{problem.strerror or problem}.", field=problem.filename), as_json)
        return LocalError.exit_code
    except Exception as problem:  # noqa: BLE001  # the last word to the user is never a traceback
        _show(_unexpected(problem, home_given), as_json)
        return LocalError.exit_code


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Nothing that an import makes is garbage; to look for it takes an eighth of a start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _complete(problem: VisemeError, home_given: Path | None) -> None:
    """What an error says in short, as a ledger that knows of no home does, becomes a whole line."""
    with contextlib.suppress(OSError, VisemeError):  # the working folder may be gone
        home = find_home(home_given)
        problem.message = home.completed(problem.message)
        problem.remedy = problem.remedy and home.completed(problem.remedy)


def _show(problem: VisemeError, as_json: bool) -> None:
    if as_json:
        print_json(error_document(problem))
    note(f"viseme: {redact(str(problem))}")


def _unexpected(problem: Exception, home_given: Path | None) -> LocalError:
    """A mistake of ours: the traceback goes to a file, for a report."""
    text = redact("".join(traceback.format_exception(problem)))
    where = "nowhere: the home folder cannot be written"
    with contextlib.suppress(OSError, VisemeError):
        path = find_home(home_given).create().root / "errors.log"
        with path.open("a", encoding="utf-8") as log:
            log.write(text + "\n")
        where = str(path)
    return LocalError(
        f"A mistake in Viseme itself: {type(problem).__name__}: {problem}.",
        remedy=f"Please report it with what was written to {where}.",
    )


@contextlib.contextmanager
def _signals(cancel: CancelToken) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the job at its vendor; a second one stops at once."""

    def stop(_number: int, _frame: object) -> None:
        if cancel.is_cancelled:
            raise KeyboardInterrupt
        cancel.cancel()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
