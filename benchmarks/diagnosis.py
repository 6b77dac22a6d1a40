"""Precision, recall and time of the diagnosis of models with one seeded fault, and of healthy ones.

    python benchmarks/diagnosis.py

The models are those of the tests (tests/models: faults.py, silent.py, mistaken.py, well.py,
sound.py and fresh.py), many of them on scikit-learn's handwritten digits. A finding is right if it
is the seeded fault or follows from it (`also`); a fault that is not reported is missed.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from models.faults import FAULTS, HEALTHY, Patient, run_of
from models.fresh import FRESH_SOUND, FRESH_WRONG
from models.mistaken import MISTAKEN
from models.silent import SILENT
from models.sound import SOUND
from models.well import WELL

from advisor.diagnosis.diagnose import diagnose
from advisor.work.threads import one_thread


def diagnosed(patient: Patient) -> tuple[set[str], float]:
    """The kinds of findings about a model, and the seconds that its diagnosis took."""
    started = time.perf_counter()
    kinds = {finding.kind for finding in diagnose(run_of(patient)).findings}
    return kinds, time.perf_counter() - started


def main() -> None:
    one_thread()
    right = wrong = missed = blamed = 0
    seconds = []
    faulty = {**FAULTS, **SILENT, **MISTAKEN, **FRESH_WRONG}
    healthy = {**HEALTHY, **WELL, **SOUND, **FRESH_SOUND}
    for name, patient in {**faulty, **healthy}.items():
        kinds, took = diagnosed(patient)
        seconds.append(took)
        false = kinds - patient.truth - patient.also
        absent = patient.truth - kinds
        blamed += bool(false and not patient.truth)
        right += len(kinds) - len(false)
        wrong += len(false)
        missed += len(absent)
        marks = sorted(kinds - false)
        marks += [f"WRONG {kind}" for kind in sorted(false)]
        marks += [f"MISSED {kind}" for kind in sorted(absent)]
        print(f"{name:<38} {took:5.2f} s  {', '.join(marks) or 'healthy'}")

    precision, recall = right / (right + wrong), right / (right + missed)
    print(f"\n{len(faulty)} models that are wrong, {missed} faults missed")
    print(f"{len(healthy)} healthy models, {blamed} blamed")
    print(f"precision {precision:.3f}, recall {recall:.3f}")
    median = sorted(seconds)[len(seconds) // 2]
    print(f"seconds per model: median {median:.2f}, most {max(seconds):.2f}")


if __name__ == "__main__":
    main()
