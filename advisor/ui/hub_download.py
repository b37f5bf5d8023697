"""The download of a model of the hub from a page: a thread for each, its progress, and a button that stops it. At home only."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from advisor.errors import DownloadCancelledError, HeadroomError
from advisor.models.sources.download import DownloadPlan, Progress, download, plan_download
from advisor.models.sources.hub_address import hub_address
from advisor.ui.inert import inert
from advisor.ui.state import draw_again
from advisor.units import format_size
from advisor.words import sentence

_MOST = 3
_KEY = "hub:download"


@dataclass
class Job:
    """One download; the thread writes, pages read."""

    plan: DownloadPlan
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Progress | None = None
    paths: tuple[Path, ...] = ()
    complaint: str | None = None
    running: bool = True

    def run(self) -> None:
        """Load; what goes wrong becomes a sentence."""
        try:
            self.paths = download(self.plan, report=self._take, stop=self.stop)
        except DownloadCancelledError:
            self.complaint = "Stopped. The next download goes on from here."
        except HeadroomError as error:
            self.complaint = sentence(error)
        finally:
            self.running = False

    def _take(self, progress: Progress) -> None:
        self.progress = progress


class Jobs:
    """The downloads of this process, by what was asked for; a page that is closed does not end them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def get(self, text: str) -> Job | None:
        """The download of `text` that runs or ran last."""
        return self._jobs.get(text)

    def start(self, text: str, plan: DownloadPlan) -> str | None:
        """Begin a download; a sentence where too many run."""
        with self._lock:
            running = [job for job in self._jobs.values() if job.running]
            if len(running) >= _MOST:
                return f"{_MOST} downloads are running; wait for one, or stop it."
            known = self._jobs.get(text)
            if known is None or not known.running:
                job = self._jobs[text] = Job(plan)
                threading.Thread(target=job.run, name="download", daemon=True).start()
        return None


JOBS = Jobs()


def download_button(text: str, size: int | None) -> None:
    """Draw the button that downloads the model `text` names, or how far its download is."""
    job = JOBS.get(text)
    if job is None or (not job.running and not job.paths):
        if job is not None and job.complaint:
            st.caption(inert(job.complaint))
        label = f"Download, {format_size(size)}" if size else "Download"
        # A callback: it runs before the page, which then shows the progress at once. To run the page again from here would
        # cut it short, and the widgets further down would lose their values.
        st.button(label, key=f"{_KEY}:start", icon=":material/download:", width="stretch", on_click=_begin, args=(text,))
        return
    _shown(job)


def _begin(text: str) -> None:
    address = hub_address(text)
    try:
        assert address is not None, text
        complaint = JOBS.start(text, plan_download(address))
    except HeadroomError as error:
        complaint = sentence(error)
    if complaint:
        st.toast(inert(complaint))


def _shown(job: Job) -> None:
    """How far it is, looked at again and again while it runs; the page is drawn once more when it ends."""
    running = job.running

    @st.fragment(run_every=0.5 if running else None)
    def progress() -> None:
        known = job.progress
        if job.paths:
            st.caption(inert(f"Downloaded to {job.paths[0]}."))
        elif known is None:
            st.progress(0.0, text="Beginning the download …")
        else:
            st.progress(min(known.done_bytes / max(known.total_bytes, 1), 1.0), text=inert(_line(known)))
        if job.running:
            if st.button("Stop the download", key=f"{_KEY}:stop", icon=":material/stop:", width="stretch"):
                job.stop.set()
        elif running:
            draw_again()

    progress()


def _line(known: Progress) -> str:
    parts = [f"{format_size(known.done_bytes)} of {format_size(known.total_bytes)}"]
    if known.stage == "checking":
        parts.append("looking at what is here")
    if known.rate_bytes_s:
        parts.append(f"{format_size(int(known.rate_bytes_s))}/s")
    if known.left_s is not None:
        parts.append(f"{known.left_s / 60:.0f} min left" if known.left_s >= 90 else f"{known.left_s:.0f} s left")
    return ", ".join(parts)
