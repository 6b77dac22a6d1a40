"""Seconds of work on a laptop's core by counting steps, calls and operations: the same on every
machine, and right to a factor of two or three.
"""

from __future__ import annotations

STEP_SECONDS = 2e-4
"""What an optimizer step costs, however small the model is."""
CALL_SECONDS = 2e-5
"""What a layer costs in a step, forward and backward, however small it is."""
SPEEDS = {"conv": 5e9, "conv_transpose": 5e9}
"""Floating-point operations a second in layers of these kinds."""
SPEED = 3e10
"""Floating-point operations a second in all other layers."""


def seconds_of_steps(steps: float, calls: int) -> float:
    """What steps cost beside their operations, each with so many calls of layers."""
    return steps * (STEP_SECONDS + calls * CALL_SECONDS)


def seconds_of_operations(operations: float, kind: str) -> float:
    """What floating-point operations in layers of a kind cost."""
    return operations / SPEEDS.get(kind, SPEED)
