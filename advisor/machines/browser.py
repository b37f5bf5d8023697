"""What a browser tells of a visitor's machine, and the profiles that it may be: a hint, to be confirmed by the visitor.

Browsers tell little, and differ. Of WebGL's UNMASKED_RENDERER (the extension WEBGL_debug_renderer_info) Chromium gives ANGLE's
whole name ("ANGLE (Apple, ANGLE Metal Renderer: Apple M2 Pro, Unspecified Version)"), Firefox one name for many GPUs ("NVIDIA
GeForce GTX 980, or similar"; dom/canvas/SanitizeRenderer.cpp), Safari "Apple GPU" for all. How much memory a Mac has no browser
tells: `navigator.deviceMemory` is missing in two of them and capped in the third.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from advisor.machines.sold import MARK, Sold, all_sold

_MOST_CHARACTERS = 200
_BRANDS = {
    "nvidia": "NVIDIA",
    "geforce": "NVIDIA",
    "quadro": "NVIDIA",
    "amd": "AMD",
    "radeon": "AMD",
    "intel": "Intel",
    "apple": "Apple",
}
_NOISE = {
    "nvidia",
    "geforce",
    "amd",
    "radeon",
    "intel",
    "ati",
    "mesa",
    "graphics",
    "gpu",
    "series",
    "corporation",
    "opengl",
    "engine",
}
_SOFTWARE = re.compile(r"swiftshader|llvmpipe|softpipe|basic render|software|virgl|vmware|parallels", re.IGNORECASE)
_OF_PHONES = re.compile(r"adreno|mali|powervr|xclipse|apple a\d+|tegra", re.IGNORECASE)
_SIZE = re.compile(r"\b(\d+)\s*(gb|gib)\b", re.IGNORECASE)
_CORES = re.compile(r"\b\d+-core gpu\b", re.IGNORECASE)


@dataclass(frozen=True)
class BrowserSays:
    """What a browser told, within bounds; empty where it told nothing."""

    renderer: str = ""
    """UNMASKED_RENDERER_WEBGL, or RENDERER."""
    gpu_vendor: str = ""
    """`GPUAdapterInfo.vendor` of WebGPU: "nvidia", "apple"."""
    platform: str = ""
    """`navigator.userAgentData.platform`, else `navigator.platform`."""
    mobile: bool = False
    touch_points: int = 0
    cores: int | None = None


@dataclass(frozen=True)
class Guess:
    """What the machine may be. `exact`: the browser named the chip, and only its memory is to be asked."""

    kind: Literal["machine", "phone", "unknown"]
    name: str = ""
    """What the browser calls it, as people say it: "Apple M3 Max"; a maker alone where it says no more; "" for nothing."""
    candidates: tuple[Sold, ...] = ()
    exact: bool = False


def browser_says(told: object) -> BrowserSays:
    """What `told`, which comes from a stranger's browser, says; whatever has another type or is too long counts as not said."""
    if not isinstance(told, Mapping):
        return BrowserSays()
    texts = {name: told.get(name) for name in ("renderer", "gpu_vendor", "platform")}
    touch, cores = told.get("touch_points"), told.get("cores")
    return BrowserSays(
        **{name: text if isinstance(text, str) and len(text) <= _MOST_CHARACTERS else "" for name, text in texts.items()},
        mobile=told.get("mobile") is True,
        touch_points=touch if type(touch) is int and 0 <= touch <= 100 else 0,
        cores=cores if type(cores) is int and 0 < cores <= 4096 else None,
    )


def guess(says: BrowserSays) -> Guess:
    """The profiles that this machine may be, smallest memory first."""
    if _is_phone(says):
        return Guess("phone")
    similar = "or similar" in says.renderer
    name = gpu_name(says.renderer)
    if name and not similar and not _SOFTWARE.search(says.renderer):
        found = _same_chip(name)
        if found:
            return Guess("machine", chip_of(found[0]), found, exact=True)
    brand = _brand(name) or _brand(says.gpu_vendor)
    if brand is None or _SOFTWARE.search(says.renderer):
        return Guess("unknown")
    if brand == "Apple":
        # Safari says "Apple GPU" on every Mac, Firefox "Apple M1, or similar" on those with any M.
        return Guess("machine", "Mac with an Apple chip", _made_by(brand))
    if not similar and len(name.split()) > 1:
        return Guess("unknown", name)
    return Guess("machine", brand, _made_by(brand))


def gpu_name(renderer: str) -> str:
    """The GPU in a renderer's name, without what drivers write around it: "Apple M2 Pro", "AMD Radeon RX 6800 XT"."""
    text = renderer.removesuffix(", or similar").strip()
    if text.startswith("ANGLE (") and text.endswith(")"):
        text = text[len("ANGLE (") : -1].partition(", ")[2]
    text = re.sub(r"^ANGLE Metal Renderer: ", "", text)
    text = re.sub(r"^Vulkan [\d.]+ \((.*)\).*$", r"\1", text)
    text = re.sub(r"\((?:R|TM|C)\)", " ", text, flags=re.IGNORECASE)
    while (shorter := re.sub(r"\([^()]*\)", " ", text)) != text:
        text = shorter
    text = re.split(r",|/PCIe|/SSE2|\bDirect3D|\bOpenGL|\bvs_\d", text)[0]
    words = text.split()
    # The vendor's name and the device's may follow each other: "NVIDIA NVIDIA GeForce RTX 3060".
    return " ".join(word for index, word in enumerate(words) if index == 0 or word != words[index - 1])


def chip_of(sold: Sold) -> str:
    """The chip of a machine, without number of cores and memory: what a browser could name."""
    name = _SIZE.sub("", _CORES.sub("", sold.machine.name))
    return " ".join(name.split()).rstrip(",")


def _is_phone(says: BrowserSays) -> bool:
    platform = says.platform.lower()
    if says.mobile or any(word in platform for word in ("android", "iphone", "ipad", "ipod")):
        return True
    # An iPad calls itself a Mac; no Mac has a touch screen.
    return (platform.startswith("mac") and says.touch_points > 1) or bool(_OF_PHONES.search(says.renderer))


def _words(name: str) -> frozenset[str]:
    """What tells chips apart: words of the name without makers and filling; a laptop's is "mobile"."""
    said = {"laptop": "mobile", "max-q": "mobile"}
    words = re.findall(r"[a-z0-9+-]+", _SIZE.sub("", _CORES.sub("", name)).lower())
    return frozenset(said.get(word, word) for word in words) - _NOISE


def _same_chip(name: str) -> tuple[Sold, ...]:
    words = _words(name)
    chips = _chips()
    # Some are built only into laptops, and no driver says so.
    return chips.get(words) or chips.get(words | {"mobile"}) or ()


@lru_cache(maxsize=1)
def _chips() -> dict[frozenset[str], tuple[Sold, ...]]:
    """Machines of one GPU by the words of their names, each memory once, smallest first."""
    found: dict[frozenset[str], dict[int, Sold]] = {}
    # Of two with the same memory that with the slower GPU: better too little promised than too much.
    for sold in sorted(all_sold(), key=_speed):
        if len(sold.machine.gpus) == 1 and sold.memory_bytes is not None:
            for words in {_words(sold.machine.name), _words(sold.machine.gpus[0].name)}:
                found.setdefault(words, {}).setdefault(sold.memory_bytes, sold)
    return {words: tuple(sizes[size] for size in sorted(sizes)) for words, sizes in found.items()}


def _speed(sold: Sold) -> float:
    return max((gpu.fp16_tflops or 0.0 for gpu in sold.machine.gpus), default=0.0)


def _made_by(brand: str) -> tuple[Sold, ...]:
    found = {sold.id: sold for sizes in _chips().values() for sold in sizes if sold.machine.name.startswith(brand)}
    return tuple(found[sold.id] for sold in all_sold() if sold.id in found)


def _brand(text: str) -> str | None:
    return next((_BRANDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _BRANDS), None)


def profile_and_memory(sold: Sold) -> tuple[str, float | None]:
    """The profile's id, and the memory in GiB where it was sold in several sizes."""
    id_, _, size = sold.id.partition(MARK)
    return id_, float(size) if size else None
