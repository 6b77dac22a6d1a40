"""What is wrong with a model before it is trained: numbers, the bounds that they cross, and what
mends them.
"""

from advisor.diagnosis.diagnose import Diagnosis, Glance, diagnose, glance
from advisor.diagnosis.finding import BOUNDS, Finding
from advisor.diagnosis.technique_findings import diagnose_with

__all__ = ["BOUNDS", "Diagnosis", "Finding", "Glance", "diagnose", "diagnose_with", "glance"]
