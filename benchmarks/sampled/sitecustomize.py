"""Python imports this when it starts: it notes every 10 ms where the main thread is.

For `benchmarks/timeline.py`, which puts this folder on the path of a command. The command itself is
looked at, and each process that is forked; not the server that forks them, which must have one
thread. A file by the number of the process has a line for each look: the time, processor seconds
of the process, and the calls from the outermost one inwards.
"""

import os
import sys
import threading
import time

INTERVAL = 0.01


def calls(frame):
    found = []
    while frame is not None:
        path = "/".join(frame.f_code.co_filename.rsplit("/", 3)[-3:])
        found.append(f"{path}:{frame.f_code.co_name}")
        frame = frame.f_back
    return ";".join(reversed(found))


def look_at(thread, file):
    while True:
        frame = sys._current_frames().get(thread)
        if frame is None:
            return
        line = f"{time.monotonic():.4f}\t{time.process_time():.4f}\t{calls(frame)}\n"
        frame = None
        os.write(file, line.encode())
        time.sleep(INTERVAL)


def begin():
    place = os.path.join(os.environ["ADVISOR_SAMPLES"], f"{os.getpid()}.txt")
    file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    threading.Thread(target=look_at, args=(threading.get_ident(), file), daemon=True).start()


if "ADVISOR_SAMPLES" in os.environ:
    os.register_at_fork(after_in_child=begin)
    if "-c" not in sys.orig_argv:
        begin()
