"""One invocation: the shared options it was given, and what they open: settings, workspace, printer, progress."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from datactl.errors import Interrupted, UsageError

if TYPE_CHECKING:  # what a command needs is imported when it asks: help and completion need none of it
    from datactl.render.printer import Printer
    from datactl.render.progress import ProgressWatcher
    from datactl.settings import Settings
    from datactl.workspace import Workspace


class Invocation:
    """What the shared options said (`given`), and the objects made from it when first asked for."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    @staticmethod
    def of(context: click.Context) -> Invocation:
        return context.ensure_object(Invocation)

    @cached_property
    def settings(self) -> Settings:
        from datactl.settings import SETTINGS, Settings

        names = {setting.name for setting in SETTINGS}
        return Settings.load({name: value for name, value in self.given.items() if name in names})

    @cached_property
    def workspace(self) -> Workspace:
        """Opened for this command and closed with its context."""
        from datactl.workspace import Workspace

        workspace = Workspace(self.settings)
        click.get_current_context().find_root().call_on_close(workspace.close)
        return workspace

    @cached_property
    def printer(self) -> Printer:
        from datactl.render.printer import Printer, default_form

        return Printer(self.settings.output or default_form(), canonical=bool(self.given.get("canonical")))

    @property
    def repeated(self) -> str:
        """The shared options that named the project and database, to stand in the command that comes next.

        Not --uri: it may hold a password.
        """
        from datactl.render.terminal import word

        named = ((name, self.given.get(name)) for name in ("profile", "models", "database", "vault"))
        return "".join(f" --{name} {word(str(value))}" for name, value in named if value)

    def tell_production(self) -> None:
        """Say which production database is about to be worked on, where it is one."""
        settings = self.settings
        if settings.production:
            said = f" (profile {settings.profile})" if settings.profile else ""
            self.hint(f"production: {settings.target}{said}")

    @property
    def reason(self) -> str | None:
        reason: str | None = self.given.get("reason")
        return reason

    @property
    def quiet(self) -> bool:
        return bool(self.given.get("quiet"))

    def watching(self, *, stoppable: bool = True) -> ProgressWatcher:
        """A context manager for long work: progress bars, and signals that stop it at a safe point.

        Work that changes nothing needs no safe point: not `stoppable`, it ends at the first signal.
        """
        from datactl.render.progress import ProgressWatcher

        return ProgressWatcher(quiet=self.quiet, stoppable=stoppable)

    def hint(self, text: str) -> None:
        """A line for the person at the terminal, on stderr."""
        if not self.quiet:
            from datactl.render.failures import show_hint

            show_hint(text)

    def is_interactive(self) -> bool:
        """Whether someone can be asked: the question is on stderr, the answer on stdin."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def named_again() -> str:
    """`Invocation.repeated` of the command that runs; nothing outside of one."""
    context = click.get_current_context(silent=True)
    return Invocation.of(context).repeated if context else ""


def stopped(watch: ProgressWatcher, what: str, left: int | None, *, next: str = "run it again to go on") -> Interrupted:
    """The error a long run ends in when a signal stopped it: what is left, and how it goes on."""
    number = watch.signals.received or 2
    remaining = f"{what} stopped" if not left else f"{what} stopped: {left:,} left"
    return Interrupted(remaining, signal=number, next=next, left=left)


def require_one(*choices: tuple[str, object]) -> None:
    """UsageError unless exactly one of these options was given."""
    given = [name for name, value in choices if value]
    if len(given) != 1:
        names = " or ".join(name for name, _ in choices)
        raise UsageError(f"give {names}" if not given else f"give only one of {names}")
