"""The rules of a home, read again when their file changes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ...core.errors import PipelineError
from ...core.files import contained
from ...core.home import Home
from ...core.incoming import Intent
from ...core.messages.found_cases import FoundCase
from ...core.rules import Rule, choose, facts_of, read_rules

log = logging.getLogger(__name__)


class RulesFile:
    """``rules.json`` as it is now; while it is wrong, as it was when it was last right."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._rules: tuple[Rule, ...] = ()
        self._seen: tuple[int, int] | None = None
        self.problem: PipelineError | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Costs one look at the file's times and size where nothing changed."""
        seen = _stamp(self._home.rules_file)
        if seen != self._seen:
            self._seen = seen
            try:
                self._rules, self.problem = read_rules(self._home.rules_file), None
            except PipelineError as error:
                log.error("the rules that held before still hold: %s", error)
                self.problem = error
        return self._rules

    def choose(self, intent: Intent, case: FoundCase) -> Rule | None:
        """The rule for a case that the inspection found."""
        if case.kind != "scan":
            return None
        label = case.label or intent.label
        facts = facts_of(case.modality, case.facts, label, self._source(intent), intent.door)
        return choose(self.rules, facts)

    def warnings(self) -> list[dict[str, str]]:
        """What a case should say when its rules are not those of the file."""
        if self.problem is None:
            return []
        message = f"{self.problem.message}; the rules before it were used"
        return [{"code": "options.old_rules", "message": message}]

    def _source(self, intent: Intent) -> str:
        if not intent.input:
            return ""
        path = Path(intent.input)
        if contained(self._home.inbox, path):
            return path.resolve().relative_to(self._home.inbox.resolve()).as_posix()
        return path.name


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
