"""Imported first by the server that forks workers: it looks for no garbage while it imports.

That makes importing torch a fifth faster, and leaves its memory as the workers are to share it;
each worker looks for its own garbage (`advisor.work.worker.serve`).
"""

import gc

gc.disable()
