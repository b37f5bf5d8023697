"""A vision or audio projector (an mmproj file): what it takes beside the language model."""

from dataclasses import dataclass
from pathlib import Path

from advisor.errors import HyperparameterError, MissingPartError, NotAModelError, QuestionError
from advisor.models.gguf_header import GGUFHeader, read_header
from advisor.models.key_reader import KeyReader
from advisor.models.sources.hub_address import hub_address
from advisor.settings import only_at_home, settings
from advisor.units import MIB

_WARM_UP = {
    # Image tokens a side that the engine reserves for where it does not take the trained image size, and the patches that one
    # token stands for a side where no key says it (tools/mtmd/clip.cpp:1525-1980, set_warmup_n_tokens and n_merge).
    "qwen2vl_merger": (46, 2),
    "qwen2.5vl_merger": (46, 2),
    "qwen3vl_merger": (46, 2),
    "ling3vl": (46, 2),
    "glm4v": (46, 2),
    "glm5v": (46, 2),
    "mimovl": (46, 2),
    "dots_ocr": (46, 1),
    "dots3note_v": (46, 1),
    "paddleocr": (28, 2),
    "muse-glimmer": (32, 2),
    "hunyuanvl": (32, 2),
    "pixtral": (16, 1),
    "lightonocr": (16, 1),
    "kimivl": (16, 1),
    "phi4": (16, 1),
    "minimax_m3": (16, 2),
    "youtuvl": (16, 2),
    "gemma4v": (16, 3),
    "gemma4uv": (16, 1),
    "deepseek4v": (16, 1),
}
_AUDIO_FRAMES = 1500
"""Positions of an audio encoder for 30 s of sound: Whisper's."""
_MAX_TOKENS = 2**20
_UNKNOWN_COMPUTE = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Projector:
    """A projector file, as far as memory is concerned. All sizes in bytes."""

    name: str
    kind: str
    """clip.projector_type, such as "gemma3"."""
    weights_bytes: int
    compute_bytes: int
    """What the encoder's graph takes for the image that the engine reserves for, with flash attention."""
    file_bytes: int | None


def projector_from_header(header: GGUFHeader, *, name: str) -> Projector:
    """The projector whose file begins with `header`. Raises NotAModelError where it is none."""
    if not header.is_projector:
        raise NotAModelError("is no projector (mmproj) but something else", path=name)
    reader = KeyReader(header.metadata, "clip")
    kind = next((value for key in _KINDS if isinstance(value := header.metadata.get(key), str)), "unknown")
    names = {tensor.name for tensor in header.tensors}
    towers = [tower for tower in ("vision", "audio") if reader.has(f"{tower}.embedding_length")]
    return Projector(
        name=name,
        kind=kind,
        weights_bytes=sum(tensor.n_bytes for tensor in header.tensors),
        compute_bytes=max((_compute(reader, tower, kind, names) for tower in towers), default=_UNKNOWN_COMPUTE),
        file_bytes=header.file_bytes,
    )


def resolve_projector(text: str, model_source: str) -> Projector:
    """The projector in the file `text`, here or on the hub, or for "auto" the one beside the model of `model_source`.

    Raises MissingPartError where there is no such file or no folder to look in, QuestionError where there are several.
    """
    auto = text == "auto"
    path = Path(model_source if auto else text).expanduser()
    is_here = not settings().hosted and path.exists()
    if not is_here and (address := hub_address(model_source if auto else text)) is not None:
        from advisor.models.sources.hub_models import projector_header

        header, name = projector_header(address, beside=auto)
        return projector_from_header(header, name=name)
    only_at_home("this site reads no files of its own machine; leave the projector out, or name one of the hub")
    path = _beside(path) if auto else path
    if not path.is_file():
        raise MissingPartError(f'there is no projector file "{path}"; download the mmproj file of the model, or name it')
    return projector_from_header(read_header(path), name=path.name)


_KINDS = ("clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type")


def _beside(model: Path) -> Path:
    if model.name.startswith("sha256-"):
        from advisor.models.sources.ollama import projector_of

        blob = projector_of(str(model))
        if blob is None:
            raise MissingPartError("Ollama keeps no projector with this model; name the mmproj file itself")
        return blob
    if model.suffix != ".gguf":
        raise MissingPartError("no projector lies beside a catalogue model; name the mmproj file itself")
    found = sorted(path for path in model.parent.glob("*.gguf") if "mmproj" in path.name.lower())
    if not found:
        raise MissingPartError(f"no mmproj file lies in {model.parent}; download the model's projector or name its file")
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:6])
        raise QuestionError(f"several projectors lie beside the model ({names}); name one of them", field="mmproj")
    return found[0]


def _compute(reader: KeyReader, tower: str, kind: str, names: set[str]) -> int:
    """Bytes of one tower's graph: the larger of its attention and its feed-forward network, with flash attention.

    Per position in f32: six vectors in attention (input, its norm, query, key, value, output), three and the inner widths in
    the network; masks of windowed attention in f32 and f16. Against clip_init of the pinned engine on the CPU: Gemma 3
    (896 x 896) 121.25 MiB, the same; Qwen3-VL 250.6 instead of 248.1; Qwen2.5-VL 865 instead of 705.
    """
    width = reader.number(f"{tower}.embedding_length")
    inner = reader.number(f"{tower}.feed_forward_length", 4 * width)
    positions = _positions(reader, kind) if tower == "vision" else _AUDIO_FRAMES
    gated = any(name.startswith(("v.blk.0.ffn_gate", "a.blk.0.ffn_gate")) for name in names)
    values = max(6 * width, 3 * width + (3 if gated else 1) * inner)
    masks = 6 * positions * positions if reader.has(f"{tower}.n_wa_pattern") else 0
    return 4 * positions * values + masks


def _positions(reader: KeyReader, kind: str) -> int:
    """Patches of the image that the engine reserves for."""
    patch = reader.number("vision.patch_size")
    if patch == 0:
        raise HyperparameterError('The key "clip.vision.patch_size" is 0; the file is damaged.', key="clip.vision.patch_size")
    if kind in _WARM_UP:
        side, merge = _WARM_UP[kind]
        per_side = side * (
            reader.number("vision.spatial_merge_size", 0) or reader.number("vision.projector.scale_factor", merge)
        )
    else:
        per_side = reader.number("vision.image_size") // patch
    return min(per_side * per_side, _MAX_TOKENS)
