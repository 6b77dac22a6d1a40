"""Imported first by the server that forks workers: it looks for no garbage while it imports, and
ends at once.

That makes importing torch a fifth faster, and leaves its memory as the workers are to share it;
each worker looks for its own garbage (`advisor.work.worker.serve`).
"""

import atexit
import gc
import os
import sys


def leave(server: int) -> None:
    """End the server without taking down all that it has imported, which takes half a second or
    more: who reads what the command prints on stderr waits for that, too.
    """
    if os.getpid() != server:
        return
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(0)


gc.disable()
# Any other process that reads this file ends as it would. It is noted first, so that it is called
# last.
if "multiprocessing.forkserver" in sys.orig_argv[-1]:
    atexit.register(leave, os.getpid())
