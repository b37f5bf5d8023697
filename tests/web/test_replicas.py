"""Two replicas behind nginx with one PostgreSQL: what is made on one is read on the other, and one may be killed."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.reports.examples import measured
from tests.reports.postgres import postgres
from tests.waiting import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
NAME = "headroom.test"


def nginx_program():
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "nginx-light"]):
            subprocess.run(["apt-get", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
        found = shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("no nginx here; as root, apt-get install nginx-light")
    return found


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


class Replica:
    """One hosted process."""

    def __init__(self, folder, port, url):
        self.port, self.log = port, folder / f"log-{port}"
        more = {
            "ADVISOR_DATABASE_URL": url,
            "ADVISOR_ALLOWED_HOSTS": NAME,
            "ADVISOR_TRUSTED_PROXIES": "127.0.0.1",
            "ADVISOR_RATE_PER_MINUTE": "100000",
        }
        command = [sys.executable, "-m", "advisor", "serve", "--hosted", "--port", str(port)]
        with self.log.open("w") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)

    def ready(self):
        assert self.process.poll() is None, self.log.read_text()
        return f"127.0.0.1:{self.port}" in self.log.read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of nginx, and the replicas behind it."""
    program = nginx_program()
    folder = tmp_path_factory.mktemp("replicas")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(postgres(tmp_path_factory.mktemp("postgres")))
        front, *ports = free_ports(3)
        replicas = [Replica(folder, port, url) for port in ports]
        for replica in replicas:
            stack.callback(replica.process.wait, 20)
            stack.callback(replica.process.terminate)
        until(lambda: all(replica.ready() for replica in replicas))
        conf = (ROOT / "deploy" / "nginx.conf").read_text()
        for before, after in (
            ("listen 80;", f"listen 127.0.0.1:{front};"),
            ("127.0.0.1:8501", f"127.0.0.1:{ports[0]}"),
            ("127.0.0.1:8502", f"127.0.0.1:{ports[1]}"),
        ):
            assert before in conf
            conf = conf.replace(before, after)
        (folder / "nginx.conf").write_text(f"pid {folder}/nginx.pid;\n{conf}")
        with (folder / "nginx.log").open("w") as log:
            command = [program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-g", "daemon off;"]
            nginx = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(nginx.wait, 20)
        stack.callback(nginx.terminate)
        address = f"http://127.0.0.1:{front}"
        until(lambda: _answers(address))
        yield address, replicas


def _answers(address):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/api/v1/health", headers={"host": NAME}).status_code == 200
    return False


def report():
    return json.loads(measured().model_dump_json())


def test_a_report_made_on_one_is_read_on_the_other(site):
    _, (first, second) = site
    made = httpx.post(f"http://127.0.0.1:{first.port}/api/v1/reports", json=report(), headers={"host": NAME}).json()
    read = httpx.get(f"http://127.0.0.1:{second.port}/api/v1/reports/{made['id']}", headers={"host": NAME})
    assert read.json() == report()
    headers = {"host": NAME, "x-delete-token": made["delete_token"]}
    assert httpx.delete(f"http://127.0.0.1:{second.port}/api/v1/reports/{made['id']}", headers=headers).status_code == 204
    assert httpx.get(f"http://127.0.0.1:{first.port}/r/{made['id']}", headers={"host": NAME}).status_code == 404


def test_pages_open_through_the_proxy(site):
    address, _ = site
    door = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=20)
    with connect(f"ws://{NAME}/_stcore/stream", sock=door, origin=f"http://{NAME}", subprotocols=["streamlit"]) as page:
        assert page.subprotocol == "streamlit"
    assert httpx.get(f"{address}/", headers={"host": NAME}).status_code == 200


def test_figures_are_for_the_operator(site):
    address, (first, _) = site
    assert httpx.get(f"{address}/api/v1/metrics", headers={"host": NAME}).status_code == 404
    text = httpx.get(f"http://127.0.0.1:{first.port}/api/v1/metrics", headers={"host": NAME}).text
    assert "headroom_requests_total" in text
    assert "process_resident_memory_bytes" in text
    # Not even past the proxy: whoever it forwards for is not the operator.
    forwarded = {"host": NAME, "x-forwarded-for": "203.0.113.9"}
    assert httpx.get(f"http://127.0.0.1:{first.port}/api/v1/metrics", headers=forwarded).status_code == 404


def test_one_is_killed_under_load_and_nobody_notices(site):
    address, replicas = site
    made = httpx.post(f"{address}/api/v1/reports", json=report(), headers={"host": NAME}).json()
    served = [replica for replica in replicas if made["id"] and _requests(replica)]
    answers, stop = [], threading.Event()

    def ask():
        with httpx.Client(headers={"host": NAME}, timeout=20) as visitor:
            while not stop.is_set():
                for path in (f"/r/{made['id']}", f"/api/v1/reports/{made['id']}", "/api/v1/machines/rtx-4090"):
                    answers.append(visitor.get(address + path).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) > 60)
    # The one that this visitor's address is kept with.
    victim = max(replicas, key=_requests)
    assert victim in served
    os.kill(victim.process.pid, signal.SIGKILL)
    at = len(answers)
    until(lambda: len(answers) > at + 150)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    assert _answers(address)


def _requests(replica):
    """How many requests a replica has answered by its own count."""
    with contextlib.suppress(httpx.HTTPError):
        text = httpx.get(f"http://127.0.0.1:{replica.port}/api/v1/metrics", headers={"host": NAME}).text
        lines = [line for line in text.splitlines() if line.startswith("headroom_requests_total")]
        return sum(float(line.rpartition(" ")[2]) for line in lines if "metrics" not in line)
    return 0.0
