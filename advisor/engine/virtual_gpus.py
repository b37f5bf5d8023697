"""GPUs that are not there: ggml backends made in Python, on which a stock build of llama.cpp plans.

A backend is a few C structs of function pointers (`ggml_structs`). These say what the imitated backend would say
(`advisor.memory.backends`) and hold nothing: a buffer is a size and an address that nobody may read.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from advisor.engine.backend_rules import Reader, extra_bytes, offloads, supports
from advisor.engine.ggml_structs import (
    API_VERSION,
    MAX_BACKENDS,
    Address,
    Backend,
    BufferInterface,
    BufferType,
    Capabilities,
    Device,
    Event,
    Library,
    Pointer,
    Properties,
    Registry,
    Tensor,
)
from advisor.memory.backends import RULES, BackendRules

MAX_GPUS = MAX_BACKENDS - 1
"""One of the scheduler's backends is the CPU."""
_BASE = 1 << 20
"""Where every imagined buffer begins: aligned for any backend, and an address that no program has mapped."""
_GPU = 1
"""GGML_BACKEND_DEVICE_TYPE_GPU."""


@dataclass(frozen=True, slots=True)
class VirtualGpu:
    """One imagined device, by the addresses that the engine knows it by."""

    device: Address
    buffer_type: Address


@dataclass
class VirtualGpus:
    """The imagined devices of this process. They stay registered to its end; a plan names those that take part."""

    library: Library
    allocated: list[tuple[Address, int]] = field(default_factory=list)
    """(buffer type, bytes) of every buffer that the engine asked for since this was last cleared."""
    _made: dict[str, tuple[VirtualGpu, ...]] = field(default_factory=dict)
    _alive: list[Any] = field(default_factory=list)
    """What C code points to must not be collected."""

    def __post_init__(self) -> None:
        self._read = Reader(self.library)
        # Recurrent states and output buffers are allocated even where weights are not: the host's are imagined too.
        host = BufferType.from_address(self.library.cpu_buffer_type)
        host.iface.alloc_buffer = self._allocator(self.library.cpu_buffer_type)

    def take(self, backend: str, count: int) -> tuple[VirtualGpu, ...]:
        """`count` devices that behave as `backend`'s do (a name of `RULES`)."""
        if count == 0:
            return ()
        if not 0 < count <= MAX_GPUS:
            raise ValueError(f"{count} GPUs; the engine takes {MAX_GPUS} at most")
        if backend not in self._made:
            self._made[backend] = self._register(backend or "gpu", RULES[backend])
        return self._made[backend][:count]

    def names(self, backend: str, count: int) -> list[str]:
        """The names under which the engine's log has the devices that `take` returns."""
        return [f"{backend or 'gpu'}{index}" for index in range(count)]

    # --- what the engine calls ----------------------------------------------------------------------

    def _callback(self, result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Address]:
        def wrap(function: Callable[..., Any]) -> Address:
            made = ctypes.CFUNCTYPE(result, *arguments)(function)
            self._alive.append(made)
            address = ctypes.cast(made, Pointer).value
            assert address is not None
            return address

        return wrap

    def _allocator(self, buffer_type: Address) -> Address:
        interface = BufferInterface()
        interface.free_buffer = self._callback(None, Pointer)(_nothing)
        interface.get_base = self._callback(Pointer, Pointer)(lambda _: _BASE)
        interface.clear = self._callback(None, Pointer, ctypes.c_uint8)(_nothing)
        self._alive.append(interface)

        def allocate(kind: Address, size: int) -> Address:
            self.allocated.append((kind, size))
            made: Address = self.library.buffer_init(buffer_type, interface, None, size)
            return made

        return self._callback(Pointer, Pointer, ctypes.c_size_t)(allocate)

    def _register(self, label: str, rules: BackendRules) -> tuple[VirtualGpu, ...]:
        registry = Registry(api_version=API_VERSION)
        made = tuple(self._device(f"{label}{index}", rules, ctypes.addressof(registry)) for index in range(MAX_GPUS))
        name = ctypes.create_string_buffer(f"virtual {label}".encode())
        registry.iface.get_name = self._callback(Pointer, Pointer)(lambda _: ctypes.addressof(name))
        registry.iface.get_device_count = self._callback(ctypes.c_size_t, Pointer)(lambda _: MAX_GPUS)
        registry.iface.get_device = self._callback(Pointer, Pointer, ctypes.c_size_t)(lambda _, index: made[index].device)
        registry.iface.get_proc_address = self._callback(Pointer, Pointer, ctypes.c_char_p)(lambda _registry, _name: None)
        self._alive += [registry, name]
        self.library.register(ctypes.addressof(registry))
        return made

    def _device(self, name: str, rules: BackendRules, registry: Address) -> VirtualGpu:
        device, label = Device(reg=registry), ctypes.create_string_buffer(name.encode())
        self._alive += [device, label]
        here = ctypes.addressof(device)
        get_name = self._callback(Pointer, Pointer)(lambda _: ctypes.addressof(label))
        buffer_type = self._buffer_type(rules, here, get_name)
        self._describe(device, label, rules, get_name)
        self._answer(device, rules, buffer_type)
        device.iface.init_backend = self._backend_maker(here, get_name)
        return VirtualGpu(here, buffer_type)

    def _buffer_type(self, rules: BackendRules, device: Address, get_name: Address) -> Address:
        made = BufferType(device=device)
        self._alive.append(made)
        made.iface.get_name = get_name
        made.iface.alloc_buffer = self._allocator(ctypes.addressof(made))
        made.iface.get_alignment = self._callback(ctypes.c_size_t, Pointer)(lambda _: rules.alignment)
        if rules.max_buffer is not None:
            made.iface.get_max_size = self._callback(ctypes.c_size_t, Pointer)(lambda _: rules.max_buffer)
        n_bytes, read = self.library.n_bytes, self._read
        if rules is not RULES[""]:
            made.iface.get_alloc_size = self._callback(ctypes.c_size_t, Pointer, Pointer)(
                lambda _, tensor: n_bytes(tensor) + extra_bytes(rules, read, Tensor.from_address(tensor))
            )
        return ctypes.addressof(made)

    def _describe(self, device: Device, label: "ctypes.Array[ctypes.c_char]", rules: BackendRules, get_name: Address) -> None:
        capabilities = Capabilities(
            async_=True,
            host_buffer=rules.host_buffer,
            buffer_from_host_ptr=rules.buffer_from_host_ptr,
            events=True,
            mmap_support=True,
        )

        def properties(_: Address, found: Any) -> None:
            # Its memory is 0 bytes, "no memory to report": capacity is compared elsewhere.
            found[0] = Properties(label.value, label.value, 0, 0, _GPU, None, capabilities)

        def memory(_: Address, free: Any, total: Any) -> None:
            free[0] = total[0] = 0

        size = ctypes.POINTER(ctypes.c_size_t)
        device.iface.get_name = device.iface.get_description = get_name
        device.iface.get_memory = self._callback(None, Pointer, size, size)(memory)
        device.iface.get_type = self._callback(ctypes.c_int, Pointer)(lambda _: _GPU)
        device.iface.get_props = self._callback(None, Pointer, ctypes.POINTER(Properties))(properties)

    def _answer(self, device: Device, rules: BackendRules, buffer_type: Address) -> None:
        read = self._read

        def supports_op(_: Address, op: Address) -> bool:
            return supports(rules, read, Tensor.from_address(op))

        def offload_op(_: Address, op: Address) -> bool:
            return offloads(rules, read, Tensor.from_address(op))

        host = self.library.cpu_buffer_type
        interface = device.iface
        interface.get_buffer_type = self._callback(Pointer, Pointer)(lambda _: buffer_type)
        if rules.host_buffer:
            interface.get_host_buffer_type = self._callback(Pointer, Pointer)(lambda _: host)
        interface.supports_op = self._callback(ctypes.c_bool, Pointer, Pointer)(supports_op)
        interface.supports_buft = self._callback(ctypes.c_bool, Pointer, Pointer)(lambda _, kind: kind == buffer_type)
        interface.offload_op = self._callback(ctypes.c_bool, Pointer, Pointer)(offload_op)
        event = Event(ctypes.addressof(device), None)
        self._alive.append(event)
        interface.event_new = self._callback(Pointer, Pointer)(lambda _: ctypes.addressof(event))
        interface.event_free = interface.event_synchronize = self._callback(None, Pointer, Pointer)(_nothing)

    def _backend_maker(self, device: Address, get_name: Address) -> Address:
        """The device's backend, the same at every call: it keeps no state."""
        backend, guid = Backend(device=device), (ctypes.c_uint8 * 16)(*range(16))
        self._alive += [backend, guid]
        backend.guid = ctypes.addressof(guid)
        interface = backend.iface
        interface.get_name = get_name
        interface.free = interface.synchronize = self._callback(None, Pointer)(_nothing)
        # -1 is GGML_STATUS_FAILED: these devices plan and never compute.
        interface.graph_compute = self._callback(ctypes.c_int, Pointer, Pointer)(lambda _backend, _graph: -1)
        interface.event_record = interface.event_wait = self._callback(None, Pointer, Pointer)(_nothing)
        return self._callback(Pointer, Pointer, ctypes.c_char_p)(lambda _device, _parameters: ctypes.addressof(backend))


def _nothing(*_: Any) -> None:
    """A call that an imagined device has no work for."""
