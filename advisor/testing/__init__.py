"""The conformance kit: what a technique promises, one check per promise, for `advisor check` and
for a plugin's own tests.
"""

from advisor.testing.kit import (
    Check,
    Result,
    check_technique,
    checks_of,
    parametrize_with_checks,
    results,
)
from advisor.testing.promise import promises_of

__all__ = [
    "Check",
    "Result",
    "check_technique",
    "checks_of",
    "parametrize_with_checks",
    "promises_of",
    "results",
]
