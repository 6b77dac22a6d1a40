"""Seconds of work on a laptop's core by counting steps, calls, numbers and operations: the same on
every machine, and right to a factor of two or three. What is done alike is counted alike, so that
shares of such seconds are closer than that.
"""

from __future__ import annotations

STEP_SECONDS = 1e-4
"""What an optimizer step costs, however small the model is."""
CALL_SECONDS = 2e-5
"""What a layer costs in a step, forward and backward, however small it is."""
PARAMETER_SECONDS = 1.7e-9
"""What an optimizer takes in a step for a parameter (a single number)."""
CONVOLUTIONS = ("conv", "conv_transpose")
"""Kinds of layers whose time is also that of the numbers that they read and give."""
CONVOLUTION_SECONDS = 4e-4
"""What a convolution costs in a step in place of `CALL_SECONDS`, with its activation: autograd
follows it back.
"""
NUMBER_SECONDS = 2.5e-9
"""What a number costs that a convolution reads or gives, with its activation, there and back."""
CONVOLUTION_SPEED = 1.2e11
"""Floating-point operations a second in convolutions."""
SPEED = 1.4e11
"""Floating-point operations a second in all other layers."""


def seconds_of_steps(
    steps: float, calls: int, convolutions: int = 0, parameters: float = 0
) -> float:
    """What steps cost beside their operations.

    Arguments:
        steps: of an optimizer.
        calls: of layers in a step, convolutions included.
        convolutions: calls of convolutions in a step.
        parameters: numbers that a step moves.
    """
    others = (calls - convolutions) * CALL_SECONDS + convolutions * CONVOLUTION_SECONDS
    return steps * (STEP_SECONDS + others + parameters * PARAMETER_SECONDS)


def seconds_of_operations(operations: float, kind: str, numbers: float = 0) -> float:
    """What floating-point operations in layers of a kind cost, which read and give so many numbers
    in all.
    """
    if kind not in CONVOLUTIONS:
        return operations / SPEED
    return operations / CONVOLUTION_SPEED + numbers * NUMBER_SECONDS
