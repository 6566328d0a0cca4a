"""Process 1 collects what others left behind, and never takes a child away from whoever waits for it."""

import subprocess
import sys

PROGRAM = """
import ctypes, os, subprocess, sys, time
from api.processes.child import Orphans
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us, as to process 1
leave = "import subprocess, sys; [subprocess.Popen([sys.executable, '-S', '-c', '']) for _ in range(3)]"
subprocess.run([sys.executable, "-c", leave], check=True)
own = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.exit(7)"])
time.sleep(1.0)
orphans = Orphans()
counts = [orphans.collect(()) for _ in range(2)]
time.sleep(0.1)
for _ in range(6):
    orphans.collect({own.pid})
zombies = [
    line for line in subprocess.run(["ps", "-o", "stat=,pid=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout.splitlines()
    if line.startswith("Z") and str(own.pid) not in line
]
print(counts[0], len(zombies))
"""


def test_orphans_are_collected_at_the_second_look() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.split() == ["0", "0"]


OWN = """
import subprocess, sys, time
from api.processes.child import Orphans
own = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.exit(7)"])
time.sleep(0.5)
orphans = Orphans()
for _ in range(5):
    orphans.collect({own.pid})
print(own.wait())
"""


def test_an_own_child_is_left_to_whoever_waits_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "7"
