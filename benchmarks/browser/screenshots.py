"""Writes docs/screenshots/PAGE-{light,dark,phone}.png for every page; look at them afterwards.

Run as `make screenshots`, or as `python -m benchmarks.browser.screenshots [PAGE ...]` from the root of the checkout.
"""

import io
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from PIL import Image
from playwright.sync_api import Page

from benchmarks.browser import ROOT, chromium, server, settle

FOLDER = ROOT / "docs" / "screenshots"
MACHINE = "machine=rtx-4090&ram_gib=64"
MODEL = f"model?{MACHINE}&model=qwen3-32b&quant=Q4_K_M&context=8192"
BESIDE = "model=qwen3-32b&quant=Q4_K_M&context=8192"
"""The setting that the one of `MODEL`, with a smaller cache, is compared with."""
PAGES = {
    "landing": f"?{MACHINE}&context=8192",
    "recommendation": f"recommendation?{MACHINE}",
    "model": MODEL,
    "two-settings": f"{MODEL}&type_k=q8_0&type_v=q8_0&beside={quote(BESIDE)}",
    "machine": "machine?machine=m4-max-40&memory_gib=64",
    "compare": "compare?machines=rtx-4090,m4-max-40%4064,rtx-3060-12gb,m3-8%408&context=8192",
    "which": "which?model=llama-3.3-70b&quant=Q4_K_M&context=8192",
    "verify": "verify",
    "report": "report?id={report}",
    "shared": "r/{report}",
    "community": "community",
    "accuracy": "accuracy",
}
FIGURES = {"recommendation": 1, "model": 2, "two-settings": 3, "accuracy": 1}
"""How many figures a page draws at least before it is looked at."""
DESKTOP = {"width": 1280, "height": 900}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": DESKTOP},
    "dark": {"color_scheme": "dark", "viewport": DESKTOP},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def make_report(page: Page, address: str) -> str:
    """The id of a report that is made as a visitor makes it."""
    page.goto(f"{address}/{MODEL}")
    settle(page)
    page.get_by_role("button", name="Share as a report").click()
    page.get_by_role("button", name="Make the report").click()
    page.wait_for_url("**/report?id=*", timeout=60_000)
    return parse_qs(urlsplit(page.url).query)["id"][0]


def shoot(page: Page, address: str, name: str, target: Path) -> None:
    """Open the page, wait until nothing changes any more, and keep what is on the screen."""
    page.goto(address)
    # A shared report is a page of its own, without scripts.
    if name != "shared":
        settle(page)
        for said in ("still being laid out", "still being weighed", "is planning the same"):
            page.get_by_text(said).wait_for(state="detached", timeout=120_000)
        if name in FIGURES:
            page.locator(".js-plotly-plot").nth(FIGURES[name] - 1).wait_for()
        if name == "two-settings":
            page.get_by_text("B takes").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KiB", flush=True)


def main() -> None:
    """Write the screenshots of the pages that are named, by default of all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:] or list(PAGES)
    with server() as address, chromium() as browser:
        report = ""
        for look, settings in LOOKS.items():
            context = browser.new_context(locale="en-GB", reduced_motion="reduce", **settings)
            page = context.new_page()
            report = report or make_report(page, address)
            for name in wanted:
                shoot(page, f"{address}/{PAGES[name].format(report=report)}", name, FOLDER / f"{name}-{look}.png")
            context.close()


if __name__ == "__main__":
    main()
