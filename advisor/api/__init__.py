"""The functions that a user calls: tune, compare, diagnose."""
