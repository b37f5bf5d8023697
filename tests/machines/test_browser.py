"""What browsers say of a machine, and which profiles that may be. The strings are of the forms that each browser writes:

Chromium: ANGLE's renderer name (Direct3D on Windows, Metal on macOS, OpenGL and Vulkan on Linux). Firefox:
dom/canvas/SanitizeRenderer.cpp. Safari: "Apple GPU" everywhere.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.machines.browser import BrowserSays, browser_says, chip_of, gpu_name, guess, profile_and_memory
from advisor.machines.sold import all_sold, find_sold

WINDOWS, MAC, LINUX, ANDROID = "Windows", "macOS", "Linux x86_64", "Android"
D3D = "Direct3D11 vs_5_0 ps_5_0, D3D11)"

NAMED = [
    (f"ANGLE (NVIDIA, NVIDIA GeForce RTX 4090 (0x00002684) {D3D}", WINDOWS, "NVIDIA GeForce RTX 4090", ["rtx-4090"]),
    (
        f"ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 (0x00002504) {D3D}",
        WINDOWS,
        "NVIDIA GeForce RTX 3060",
        ["rtx-3060-8gb", "rtx-3060-12gb"],
    ),
    (
        f"ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Laptop GPU (0x00002520) {D3D}",
        WINDOWS,
        "NVIDIA GeForce RTX 3060 Mobile",
        ["rtx-3060-laptop"],
    ),
    (
        "ANGLE (NVIDIA Corporation, NVIDIA GeForce RTX 3090/PCIe/SSE2, OpenGL 4.5.0)",
        LINUX,
        "NVIDIA GeForce RTX 3090",
        ["rtx-3090"],
    ),
    (
        "ANGLE (NVIDIA, Vulkan 1.3.242 (NVIDIA NVIDIA GeForce RTX 4070 (0x00002786)), NVIDIA)",
        LINUX,
        "NVIDIA GeForce RTX 4070",
        ["rtx-4070"],
    ),
    ("NVIDIA GeForce GTX 1080 Ti/PCIe/SSE2", LINUX, "NVIDIA GeForce GTX 1080 Ti", ["gtx-1080-ti"]),
    (
        "ANGLE (AMD, AMD Radeon RX 6800 XT (radeonsi, navi21, LLVM 15.0.7, DRM 3.49, 6.2.0), OpenGL 4.6 (Core Profile))",
        LINUX,
        "AMD Radeon RX 6800 XT",
        ["rx-6800-xt"],
    ),
    (f"ANGLE (AMD, AMD Radeon RX 7900 XTX (0x0000744C) {D3D}", WINDOWS, "AMD Radeon RX 7900 XTX", ["rx-7900-xtx"]),
    (f"ANGLE (Intel, Intel(R) Arc(TM) B580 Graphics (0x0000E20B) {D3D}", WINDOWS, "Intel Arc B580", ["arc-b580"]),
    ("ANGLE (Apple, ANGLE Metal Renderer: Apple M2, Unspecified Version)", MAC, "Apple M2", ["m2-8@8", "m2-8@16", "m2-8@24"]),
]


@pytest.mark.parametrize(("renderer", "platform", "name", "ids"), NAMED)
def test_a_named_chip_is_found_with_the_sizes_it_was_sold_with(renderer, platform, name, ids):
    found = guess(BrowserSays(renderer, platform=platform))
    assert (found.kind, found.exact, found.name) == ("machine", True, name)
    assert [sold.id for sold in found.candidates] == ids


def test_a_mac_is_offered_each_of_its_sizes_once():
    found = guess(BrowserSays("ANGLE (Apple, ANGLE Metal Renderer: Apple M3 Max, Unspecified Version)", platform=MAC))
    assert [profile_and_memory(sold)[1] for sold in found.candidates] == [36, 48, 64, 96, 128]
    # 30 cores came with 36 and 96 GiB, 40 with the others (the maker's specification).
    assert [sold.id.partition("@")[0] for sold in found.candidates] == [
        "m3-max-30",
        "m3-max-40",
        "m3-max-40",
        "m3-max-30",
        "m3-max-40",
    ]


@pytest.mark.parametrize("profile", ["rtx-5080", "rtx-2070", "rx-9070-xt", "rx-7800-xt", "arc-a750", "rtx-4060-laptop"])
def test_other_cards_are_found_by_their_own_names(profile):
    name = find_sold(profile).machine.name.replace("Mobile", "Laptop GPU")
    found = guess(BrowserSays(f"ANGLE (Maker, {name} (0x00001234) {D3D}", platform=WINDOWS))
    assert [sold.id for sold in found.candidates] == [profile]


@pytest.mark.parametrize(
    ("renderer", "platform", "name"),
    [
        ("Apple GPU", "MacIntel", "Mac with an Apple chip"),
        ("Apple M1, or similar", "MacIntel", "Mac with an Apple chip"),
        ("NVIDIA GeForce GTX 980, or similar", LINUX, "NVIDIA"),
        ("ANGLE (NVIDIA, NVIDIA GeForce GTX 980 Direct3D11 vs_5_0 ps_5_0), or similar", "Win32", "NVIDIA"),
        ("Radeon R9 200 Series, or similar", LINUX, "AMD"),
        ("Intel(R) HD Graphics, or similar", "Win32", "Intel"),
    ],
)
def test_where_a_browser_names_only_a_maker_all_of_its_machines_are_offered(renderer, platform, name):
    found = guess(BrowserSays(renderer, platform=platform))
    assert (found.kind, found.exact, found.name) == ("machine", False, name)
    assert len(found.candidates) > 5
    assert len({sold.machine.name.split()[0] for sold in found.candidates}) == 1


def test_webgpu_helps_where_webgl_is_silent():
    assert guess(BrowserSays("", gpu_vendor="apple", platform=MAC)).name == "Mac with an Apple chip"


@pytest.mark.parametrize(
    "says",
    [
        BrowserSays("ANGLE (Qualcomm, Adreno (TM) 740, OpenGL ES 3.2)", platform=ANDROID, mobile=True),
        BrowserSays("Adreno (TM) 650, or similar", platform="Linux armv81"),
        BrowserSays("ANGLE (ARM, Mali-G78, OpenGL ES 3.2)", platform="Linux aarch64"),
        BrowserSays("Apple GPU", platform="iPhone", touch_points=5),
        BrowserSays("Apple GPU", platform="MacIntel", touch_points=5),
    ],
    ids=["Chromium on Android", "Firefox on Android", "Mali", "iPhone", "iPad that calls itself a Mac"],
)
def test_a_phone_is_no_machine_to_run_on(says):
    assert guess(says).kind == "phone"


@pytest.mark.parametrize(
    ("renderer", "name"),
    [
        ("", ""),
        ("Generic Renderer", ""),
        ("ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)", ""),
        ("llvmpipe (LLVM 15.0.7, 256 bits)", ""),
        ("ANGLE (Microsoft, Microsoft Basic Render Driver (0x0000008C) Direct3D11 vs_5_0 ps_5_0, D3D11)", ""),
        ("ANGLE (Intel, Mesa Intel(R) UHD Graphics 620 (KBL GT2), OpenGL 4.6)", "Mesa Intel UHD Graphics 620"),
    ],
)
def test_what_is_not_known_is_asked(renderer, name):
    found = guess(BrowserSays(renderer, platform=LINUX))
    assert (found.kind, found.name, found.candidates) == ("unknown", name, ())


@pytest.mark.parametrize(
    "told",
    [None, 3, "Apple M3", [], {"renderer": 7, "cores": True}, {"renderer": "x" * 201, "touch_points": -1, "mobile": "yes"}],
)
def test_whatever_a_stranger_sends_counts_as_not_said(told):
    assert browser_says(told) == BrowserSays()


@given(st.text(max_size=200), st.text(max_size=30))
def test_any_text_has_an_answer(renderer, platform):
    assert guess(BrowserSays(renderer, platform=platform)).kind in ("machine", "phone", "unknown")


def test_the_chip_of_a_machine_has_no_memory_in_its_name():
    assert {chip_of(sold) for sold in all_sold() if sold.id.startswith("m3-max")} == {"Apple M3 Max"}
    assert chip_of(find_sold("rtx-3060-12gb")) == "NVIDIA GeForce RTX 3060"


def test_a_name_without_what_drivers_write_around_it():
    assert gpu_name("AMD Radeon Pro 5500M OpenGL Engine") == "AMD Radeon Pro 5500M"
