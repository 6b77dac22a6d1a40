"""Diagnosis of models with one seeded fault each, and of healthy ones: precision, recall and time
per model.

    python benchmarks/diagnosis.py

The models are those of the tests (tests/models/faults.py), on scikit-learn's handwritten digits. A
finding is right if it is the seeded fault or follows from it (`also`); a fault that is not found is
a miss.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from models.faults import FAULTS, HEALTHY, Patient, run_of

from advisor.diagnosis.diagnose import diagnose


def examined(patient: Patient) -> tuple[set[str], float]:
    """The kinds of findings, and the seconds that a diagnosis takes once torch is warm."""
    started = time.perf_counter()
    kinds = {finding.kind for finding in diagnose(run_of(patient)).findings}
    return kinds, time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    right = wrong = missed = 0
    seconds = []
    for name, patient in {**FAULTS, **HEALTHY}.items():
        kinds, took = examined(patient)
        seconds.append(took)
        expected, extra = patient.truth & kinds, kinds - patient.truth - patient.also
        right, wrong, missed = (
            right + len(kinds) - len(extra),
            wrong + len(extra),
            missed + len(patient.truth - kinds),
        )
        marks = [
            *sorted(kinds - extra),
            *(f"WRONG {kind}" for kind in sorted(extra)),
            *(f"MISSED {k}" for k in sorted(patient.truth - expected)),
        ]
        print(f"{name:<38} {took:5.2f} s  {', '.join(marks) or 'healthy'}")
    precision, recall = right / (right + wrong), right / (right + missed)
    print(
        f"\n{len(FAULTS)} faults, {len(HEALTHY)} healthy models: precision {precision:.3f}, recall {recall:.3f}"
    )
    print(
        f"seconds per model: median {sorted(seconds)[len(seconds) // 2]:.2f}, most {max(seconds):.2f}"
    )


if __name__ == "__main__":
    main()
