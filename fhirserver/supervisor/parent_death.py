"""A worker ends when its supervisor is gone, even when that was killed without a last word.

Otherwise workers of a crashed server would keep its port and go on sending beside the next one. On
Linux the kernel sends the signal
(https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html); elsewhere a thread looks once
a second.
"""

import ctypes
import os
import signal
import sys
import threading
from typing import Final

PR_SET_PDEATHSIG: Final = 1
LOOK_SECONDS: Final = 1.0


def end_with(parent: int) -> None:
    """Arrange for SIGTERM to this process when its parent, process `parent`, ends."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the kernel refused PR_SET_PDEATHSIG")
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        # It died before we could ask.
        os.kill(os.getpid(), signal.SIGTERM)


def _watch(parent: int) -> None:
    gone = threading.Event()
    while os.getppid() == parent:
        gone.wait(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
