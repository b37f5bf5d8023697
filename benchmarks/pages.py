"""How long a visitor waits: first answers, changed sliders (at the screen and in the server), and the weight of each page.

Prints a table; `--assert` ends with 1 where a figure is over its limit (first answer 2 s, changed slider 250 ms).
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Browser, Page

from benchmarks.browser import chromium, server, settle

FIRST_S, SLIDER_MS = 2.0, 250
PAGES = {
    "What can I run? (this machine)": "",
    "What can I run? (RTX 4090)": "?machine=rtx-4090&ram_gib=64",
    "Model (Llama 3.1 8B)": "model?model=llama-3.1-8b&machine=rtx-4090&ram_gib=64&context=2048",
    "Machine": "machine",
}
SLIDER = "model?model=llama-3.1-8b&quant=Q4_K_M&machine=rtx-4090&ram_gib=64&context=2048"
CHANGES = 24


def first_answer(browser: Browser, address: str) -> tuple[float, float, float, int]:
    """Seconds to the answer in words, seconds until all is drawn, megabytes and requests, for a visitor with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.get_by_role("heading", level=2).first.wait_for(timeout=120_000)
    answer = time.perf_counter() - began
    settle(page)
    whole = time.perf_counter() - began
    page.wait_for_timeout(1500)
    context.close()
    return answer, whole, round(sum(sizes) / 1e6, 1), len(sizes)


def slider_changes(browser: Browser, address: str) -> list[float]:
    """Milliseconds from a key on the context slider to the new figure on the screen, for each of `CHANGES` changes."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.goto(address)
    settle(page)
    page.locator(".js-plotly-plot").nth(1).wait_for()
    page.wait_for_timeout(2000)
    slider = page.get_by_role("slider", name="Context")
    slider.focus()
    times = []
    for index in range(CHANGES):
        before = figure(page)
        began = time.perf_counter()
        page.keyboard.press("ArrowRight" if index % 8 < 4 else "ArrowLeft")
        page.wait_for_function(
            "before => window.headroomFigure() !== before",
            arg=before,
            polling="raf",
        )
        times.append(1000 * (time.perf_counter() - began))
        page.wait_for_timeout(250)
    page.close()
    return times


def figure(page: Page) -> str:
    """What the row of figures shows now; components draw in shadow trees, so it is looked for in those."""
    return str(
        page.evaluate(
            """() => {
              window.headroomFigure = () => {
                const found = (root) => {
                  for (const element of root.querySelectorAll("*")) {
                    if (element.className === "numbers") return element.textContent;
                    const inner = element.shadowRoot && found(element.shadowRoot);
                    if (inner) return inner;
                  }
                  return "";
                };
                return found(document);
              };
              return window.headroomFigure();
            }"""
        )
    )


def script_runs() -> list[float]:
    """Milliseconds of a whole run of the Model page's script after the context has changed, without a browser."""
    from streamlit.testing.v1 import AppTest

    from advisor.paths import pages_folder

    app = AppTest.from_file(str(Path(__file__).resolve().parents[1] / "advisor" / "app.py"), default_timeout=120)
    app.query_params["machine"] = "rtx-4090"
    app.run()
    app.switch_page(str(pages_folder() / "model.py")).run()
    times = []
    for context in [4096, 8192, 16384, 32768, 65536] * 4:
        app.select_slider(key="run:context").set_value(context)
        began = time.perf_counter()
        app.run()
        times.append(1000 * (time.perf_counter() - began))
    return times


def summary(times: list[float]) -> str:
    """Median and 95th percentile."""
    ordered = sorted(times)
    return f"median {statistics.median(ordered):4.0f} ms, 95 % under {ordered[int(0.95 * (len(ordered) - 1))]:4.0f} ms"


def main() -> int:
    """Print the figures; 1 where one is over its limit and `--assert` was given."""
    late = []
    with server() as address, chromium() as browser:
        print(f"{'page':34} {'answer':>8} {'whole':>8} {'MB':>6} {'requests':>9}   (first is the first visit after the start)")
        for name, path in [*PAGES.items(), *PAGES.items()]:
            answer, whole, megabytes, requests = first_answer(browser, f"{address}/{path}")
            print(f"{name:34} {answer:6.2f} s {whole:6.2f} s {megabytes:6} {requests:9}", flush=True)
            if answer > FIRST_S:
                late.append(f"{name}: {answer:.2f} s")
        changes = slider_changes(browser, f"{address}/{SLIDER}")
        print(f"{'slider: key to new figure':34} {summary(changes)}")
        if statistics.median(changes) > SLIDER_MS:
            late.append("slider")
    print(f"{'slider: run of the script':34} {summary(script_runs())}")
    print("over the limit: " + "; ".join(late) if late else f"all answers within {FIRST_S:g} s, sliders within {SLIDER_MS} ms")
    return 1 if late and "--assert" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
