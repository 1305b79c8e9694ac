"""A rule's script as a fork of a process that has already imported what scripts import."""

import ctypes
import os
import runpy
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

# Settings of the C library's allocator (mallopt(3)), and their values in bytes: freed memory up to this size stays with
# the process, and blocks up to this size are taken from it. By default, scoring spends a twentieth of its time on
# giving memory back and asking for it again.
M_TRIM_THRESHOLD, KEPT = -1, 2**28
M_MMAP_THRESHOLD, LARGEST_BLOCK = -3, 2**25


def run_script(path: str, begins: Connection) -> None:
    """Run a script as the main module, in a process of its own that multiprocessing's fork server has started.

    The process ends when the server, its parent, or whoever asked for it ends, so that nobody's job is left behind.

    Args:
        path: The script.
        begins: Where a message comes once the process is watched: what is over at once could not be measured.
    """
    _keep_freed_memory()
    begins.recv()
    threading.Thread(target=_end_with_others, args=(os.getppid(),), daemon=True).start()
    runpy.run_path(path, run_name="__main__")


def _keep_freed_memory() -> None:
    # Other C libraries than GNU's have no such function.
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(M_TRIM_THRESHOLD, KEPT)
        set_option(M_MMAP_THRESHOLD, LARGEST_BLOCK)


def _end_with_others(server: int) -> None:
    asked = parent_process()
    # The death of a parent that did not ask for the process shows only in its number.
    while asked and os.getppid() == server and not wait([asked.sentinel], timeout=1):
        pass
    os._exit(1)
