"""Callbacks by which a framework that owns its training loop reports to a study.

None of the frameworks is imported before its callback is asked for, and none is needed.
"""
