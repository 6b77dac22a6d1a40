"""What is wrong with a model, told before it is trained: numbers, the bounds they cross, and what
mends them.
"""

from advisor.diagnosis.diagnose import Diagnosis, Glance, diagnose, glance
from advisor.diagnosis.finding import BOUNDS, Finding

__all__ = ["BOUNDS", "Diagnosis", "Finding", "Glance", "diagnose", "glance"]
