"""Writes docs/screenshots/{landing,model,machine}-{light,dark,phone}.png; look at them afterwards.

Run as `python -m benchmarks.browser.screenshots` from the root of the checkout.
"""

import io
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from benchmarks.browser import ROOT, chromium, server, settle

FOLDER = ROOT / "docs" / "screenshots"
MACHINE = "machine=rtx-4090&ram_gib=64"
PAGES = {
    "landing": f"?{MACHINE}&context=8192",
    "model": f"model?{MACHINE}&model=qwen3-32b&quant=Q4_K_M&context=8192",
    "machine": "machine?machine=m4-max-40&memory_gib=64",
}
DESKTOP = {"width": 1280, "height": 900}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": DESKTOP},
    "dark": {"color_scheme": "dark", "viewport": DESKTOP},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def shoot(page: Page, address: str, target: Path) -> None:
    """Open the page, wait until nothing changes any more, and keep what is on the screen."""
    page.goto(address)
    settle(page)
    page.get_by_text("still being laid out").wait_for(state="detached", timeout=120_000)
    if "/model" in address:
        page.locator(".js-plotly-plot").nth(1).wait_for()
    page.wait_for_timeout(1000)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KiB", flush=True)


def main() -> None:
    """Write all screenshots."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with server() as address, chromium() as browser:
        for look, settings in LOOKS.items():
            context = browser.new_context(locale="en-GB", reduced_motion="reduce", **settings)
            page = context.new_page()
            for name, path in PAGES.items():
                shoot(page, f"{address}/{path}", FOLDER / f"{name}-{look}.png")
            context.close()


if __name__ == "__main__":
    main()
