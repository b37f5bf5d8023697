"""ggml's C structs that a backend is made of, as ctypes has them, and the functions of the pinned engine's libraries.

Layouts of ggml/src/ggml-backend-impl.h (GGML_BACKEND_API_VERSION 2) and ggml/include/ggml.h; `Library` refuses any other.
"""

import ctypes
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

API_VERSION = 2
"""GGML_BACKEND_API_VERSION, ggml/src/ggml-backend-impl.h:11."""
GGML_VERSION = "0.25.3"
"""ggml_version() of the pinned engine."""

OPERATIONS = 101
"""GGML_OP_COUNT, ggml/src/ggml.c:1104; names past the end of the table must not be read."""

MAX_BACKENDS = 16
"""GGML_SCHED_MAX_BACKENDS, ggml/src/ggml-backend.cpp."""

Pointer = ctypes.c_void_p
Address = int


class BufferTypeInterface(ctypes.Structure):
    """struct ggml_backend_buffer_type_i, ggml-backend-impl.h:17."""

    _fields_ = [
        (name, Pointer) for name in ("get_name", "alloc_buffer", "get_alignment", "get_max_size", "get_alloc_size", "is_host")
    ]


class BufferType(ctypes.Structure):
    """struct ggml_backend_buffer_type."""

    _fields_ = [("iface", BufferTypeInterface), ("device", Pointer), ("context", Pointer)]


class BufferInterface(ctypes.Structure):
    """struct ggml_backend_buffer_i, ggml-backend-impl.h:46."""

    _fields_ = [
        (name, Pointer)
        for name in (
            "free_buffer",
            "get_base",
            "init_tensor",
            "memset_tensor",
            "set_tensor",
            "get_tensor",
            "set_tensor_2d",
            "get_tensor_2d",
            "cpy_tensor",
            "clear",
            "reset",
        )
    ]


class DeviceInterface(ctypes.Structure):
    """struct ggml_backend_device_i, ggml-backend-impl.h:160."""

    _fields_ = [
        (name, Pointer)
        for name in (
            "get_name",
            "get_description",
            "get_memory",
            "get_type",
            "get_props",
            "init_backend",
            "get_buffer_type",
            "get_host_buffer_type",
            "buffer_from_host_ptr",
            "supports_op",
            "supports_buft",
            "offload_op",
            "event_new",
            "event_free",
            "event_synchronize",
        )
    ]


class Device(ctypes.Structure):
    """struct ggml_backend_device."""

    _fields_ = [("iface", DeviceInterface), ("reg", Pointer), ("context", Pointer)]


class BackendInterface(ctypes.Structure):
    """struct ggml_backend_i, ggml-backend-impl.h:105."""

    _fields_ = [
        (name, Pointer)
        for name in (
            "get_name",
            "free",
            "set_tensor_async",
            "get_tensor_async",
            "set_tensor_2d_async",
            "get_tensor_2d_async",
            "cpy_tensor_async",
            "synchronize",
            "graph_plan_create",
            "graph_plan_free",
            "graph_plan_update",
            "graph_plan_compute",
            "graph_compute",
            "event_record",
            "event_wait",
            "graph_optimize",
        )
    ]


class Backend(ctypes.Structure):
    """struct ggml_backend."""

    _fields_ = [("guid", Pointer), ("iface", BackendInterface), ("device", Pointer), ("context", Pointer)]


class RegistryInterface(ctypes.Structure):
    """struct ggml_backend_reg_i, ggml-backend-impl.h:220."""

    _fields_ = [(name, Pointer) for name in ("get_name", "get_device_count", "get_device", "get_proc_address")]


class Registry(ctypes.Structure):
    """struct ggml_backend_reg."""

    _fields_ = [("api_version", ctypes.c_int), ("iface", RegistryInterface), ("context", Pointer)]


class Capabilities(ctypes.Structure):
    """struct ggml_backend_dev_caps, ggml/include/ggml-backend.h."""

    _fields_ = [(name, ctypes.c_bool) for name in ("async_", "host_buffer", "buffer_from_host_ptr", "events", "mmap_support")]


class Properties(ctypes.Structure):
    """struct ggml_backend_dev_props, ggml/include/ggml-backend.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("memory_free", ctypes.c_size_t),
        ("memory_total", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("device_id", ctypes.c_char_p),
        ("caps", Capabilities),
    ]


class Event(ctypes.Structure):
    """struct ggml_backend_event."""

    _fields_ = [("device", Pointer), ("context", Pointer)]


class Tensor(ctypes.Structure):
    """struct ggml_tensor, ggml/include/ggml.h:685, up to its data pointer."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("buffer", Pointer),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", Pointer * 10),
        ("view_src", Pointer),
        ("view_offs", ctypes.c_size_t),
        ("data", Pointer),
    ]


class HashSet(ctypes.Structure):
    """struct ggml_hash_set, ggml/src/ggml-impl.h:238."""

    _fields_ = [("size", ctypes.c_size_t), ("used", Pointer), ("keys", Pointer)]


class Scheduler(ctypes.Structure):
    """struct ggml_backend_sched, ggml/src/ggml-backend.cpp:786, up to where its graph begins."""

    _fields_ = [
        ("is_reset", ctypes.c_bool),
        ("is_alloc", ctypes.c_bool),
        ("n_backends", ctypes.c_int),
        ("backends", Pointer * MAX_BACKENDS),
        ("bufts", Pointer * MAX_BACKENDS),
        ("galloc", Pointer),
        ("hash_set", HashSet),
        ("hv_tensor_backend_ids", Pointer),
        ("hv_tensor_copies", Pointer),
        ("node_backend_ids", Pointer),
        ("leaf_backend_ids", Pointer),
        ("prev_node_backend_ids", Pointer),
        ("prev_leaf_backend_ids", Pointer),
        ("graph", Pointer),
    ]


class TensorOverride(ctypes.Structure):
    """struct llama_model_tensor_buft_override, include/llama.h."""

    _fields_ = [("pattern", ctypes.c_char_p), ("buffer_type", Pointer)]


def function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """An exported function with its types set."""
    found = library[name]
    found.restype, found.argtypes = result, list(arguments)
    return found


class Library:
    """The calls of the pinned engine that planning needs. `llama` is libllama, already open; `folder` is where it lies.

    The package carries ggml's libraries under several names, as copies: they are opened by the names that libllama links,
    another name would be a second, empty backend registry. Raises RuntimeError, with the reason, where the library is not the
    one that these layouts belong to.
    """

    def __init__(self, llama: ctypes.CDLL, folder: Path) -> None:
        ggml, base = (ctypes.CDLL(str(folder / name)) for name in _file_names())
        version = function(base, "ggml_version", ctypes.c_char_p)().decode()
        if version != GGML_VERSION:
            raise RuntimeError(f"its ggml is version {version}, {GGML_VERSION} is needed")
        self.base = base
        self.register = function(ggml, "ggml_backend_register", None, Pointer)
        device_by_type = function(ggml, "ggml_backend_dev_by_type", Pointer, ctypes.c_int)
        self.cpu_device: Address = device_by_type(0)
        self.cpu_buffer_type: Address = function(base, "ggml_backend_dev_buffer_type", Pointer, Pointer)(self.cpu_device)
        self.buffer_init = function(
            base, "ggml_backend_buffer_init", Pointer, Pointer, BufferInterface, Pointer, ctypes.c_size_t
        )
        self.n_bytes = function(base, "ggml_nbytes", ctypes.c_size_t, Pointer)
        self.row_size = function(base, "ggml_row_size", ctypes.c_size_t, ctypes.c_int, ctypes.c_int64)
        self.is_quantized = function(base, "ggml_is_quantized", ctypes.c_bool, ctypes.c_int)
        op_name = function(base, "ggml_op_name", ctypes.c_char_p, ctypes.c_int)
        self.ops = {op_name(number).decode(): number for number in range(OPERATIONS)}
        self._check_layouts()
        self.reserve_sizes = function(
            base, "ggml_gallocr_reserve_n_size", None, Pointer, Pointer, Pointer, Pointer, ctypes.POINTER(ctypes.c_size_t)
        )
        scheduler = "_ZNK13llama_context9get_schedEv"
        self.scheduler = None if sys.platform == "win32" else function(llama, scheduler, Pointer, Pointer)
        self.memory_breakdown = (
            function(llama, "_Z26llama_get_memory_breakdownPK13llama_context", Pointer, Pointer, Pointer)
            if walks_breakdown()
            else None
        )

    def _check_layouts(self) -> None:
        """Read the library's own CPU device through these layouts: what comes out is what its functions say."""
        device = Device.from_address(self.cpu_device)
        version = Registry.from_address(device.reg).api_version if device.reg else None
        if version != API_VERSION:
            raise RuntimeError(f"its backend interface is version {version}, {API_VERSION} is needed")
        kind = ctypes.CFUNCTYPE(ctypes.c_int, Pointer)(device.iface.get_type)(self.cpu_device)
        own = ctypes.CFUNCTYPE(Pointer, Pointer)(device.iface.get_buffer_type)(self.cpu_device)
        if kind != 0 or own != self.cpu_buffer_type:
            raise RuntimeError("its backend structs are laid out differently")


def walks_breakdown() -> bool:
    """True where the C++ map that the engine's breakdown call returns can be walked: libstdc++ on x86-64."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def _file_names() -> tuple[str, str]:
    if sys.platform == "win32":
        return "ggml.dll", "ggml-base.dll"
    if sys.platform == "darwin":
        return "libggml.0.dylib", "libggml-base.0.dylib"
    return "libggml.so.0", "libggml-base.so.0"
