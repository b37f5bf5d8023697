import subprocess
import sys
import threading
import time
from pathlib import Path

from advisor.file_lock import file_lock, is_locked

ROOT = Path(__file__).resolve().parents[1]
HOLD = """
import sys, time
from pathlib import Path
from advisor.file_lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_free_before_and_after(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    # Asking makes nothing.
    assert not path.exists()
    with file_lock(path):
        assert is_locked(path)
    assert not is_locked(path)


def test_a_killed_holder_frees_it(tmp_path):
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert holder.stdout.readline() == "held\n"
    assert is_locked(path)
    holder.kill()
    holder.communicate()
    with file_lock(path):
        pass


def test_one_at_a_time_and_the_second_is_told(tmp_path):
    path = tmp_path / "lock"
    told, order = threading.Event(), []

    def second():
        with file_lock(path, waiting=told.set):
            order.append("second")

    with file_lock(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
