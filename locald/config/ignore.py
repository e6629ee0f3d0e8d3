"""What of the source the build does not see: a project's patterns, or the defaults; and what the
ignore files say that the user named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.app_source import SourceScan, Visitor, hidden_paths
from locald.config.ignore_rule import AnyRule, DefaultRule, IgnoreRule, OwnRule

if TYPE_CHECKING:
    from locald.config.ignore_file import IgnoreFile


@dataclass(frozen=True, kw_only=True)
class SourceRules:
    """gitignore patterns; at most one of include, exclude and cnbignore is there. Without any, the
    defaults hold.

    where: the file and table that set include or exclude, for messages.
    ignore_files: what they exclude is hidden besides.
    own: paths below the source that locald keeps things in → what they are; hidden besides.
    """

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    where: str = ""
    cnbignore: "IgnoreFile | None" = None
    ignore_files: tuple["IgnoreFile", ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> IgnoreRule:
        """All of them as one, for one walk. Raises ConfigError when a pattern cannot be read."""
        first = self._first()
        if self.own:
            first = AnyRule([first, OwnRule(self.own)])
        if not self.ignore_files:
            return first
        # With the patterns' rules 8 ms, and most projects have neither.
        from locald.config.ignore_file_rules import file_rule

        return AnyRule([first, *map(file_rule, self.ignore_files)])

    def _first(self) -> IgnoreRule:
        if self.include is None and self.exclude is None and self.cnbignore is None:
            return DefaultRule()
        return self._patterns()

    def _patterns(self) -> IgnoreRule:
        from locald.config.pattern_rules import cnbignore_rule, exclude_rule, include_rule

        if self.include is not None:
            return include_rule(self.include, self.where)
        if self.exclude is not None:
            return exclude_rule(self.exclude, self.where)
        return cnbignore_rule(self.cnbignore) if self.cnbignore is not None else DefaultRule()


def scan_source(
    root: Path,
    rules: SourceRules,
    *,
    rule: IgnoreRule | None = None,
    visit: Visitor | None = None,
) -> SourceScan:
    """Walk the source of one build under these rules.

    rule: `rules.rule()`, for those who want to ask it afterwards.
    """
    rule = rule or rules.rule()
    return hidden_paths(root, rule.hides, prunes=rule.prunes, visit=visit)
