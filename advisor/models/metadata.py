"""A model as everything after parsing sees it: `ModelMetadata`, and `model_from_header`, which makes it of a GGUF header."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from gguf.constants import GGMLQuantizationType

from advisor.errors import GGUFPartMissingError, NotAModelError, QuestionError
from advisor.models.block_tensors import BlockTensors
from advisor.models.gguf_header import GGUFHeader
from advisor.models.gguf_split import model_stem
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.keys import hyperparameters
from advisor.models.quantization import QuantizedTensors
from advisor.models.quantization_names import QUANTIZATIONS, from_ftype, parse_quantization
from advisor.models.shards import StoredWeights
from advisor.models.tensor import Tensor, row_padding
from advisor.models.tensor_role import EXPERTS
from advisor.models.weight_table import WeightTable


@dataclass(frozen=True)
class ModelMetadata:
    """One model in one quantization: hyperparameters and the exact list of tensors, read from a file or predicted."""

    id: str
    name: str
    hyperparameters: Hyperparameters
    tensors: Sequence[Tensor]
    """In the file's order; of a predicted model made when first looked at."""
    quantization: str | None
    """As llama.cpp names it ("Q4_K_M"); None where the file does not say."""
    file_bytes: int | None
    """Size of the file or of all its parts together; None where only a header is known."""
    predicted: bool
    """True where `tensors` come from hyperparameters and quantization rules, not from a file."""
    source: str
    """Where it was read: a path, a catalogue id, a hub repository."""
    assumptions: tuple[str, ...] = ()
    keys: Mapping[str, object] | None = field(default=None, repr=False, compare=False)
    """GGUF metadata keys, with which the engine can plan it; None where they are not known."""
    known_weights: WeightTable | None = field(default=None, repr=False, compare=False)
    """Bytes by part, where they were worked out without the tensors."""
    stored: StoredWeights | None = field(default=None, repr=False, compare=False)
    """The safetensors files of the folder that was named, which other runtimes than llama.cpp load as they are."""

    @cached_property
    def parameters(self) -> int:
        """Number of weights in all tensors."""
        if isinstance(self.tensors, QuantizedTensors):
            return self.tensors.parameters
        return sum(tensor.elements for tensor in self.tensors)

    @cached_property
    def block_tensors(self) -> BlockTensors:
        """Names and shapes by block."""
        if isinstance(self.tensors, QuantizedTensors):
            return self.tensors.block_tensors
        return BlockTensors.of(self.tensors, self.hyperparameters.block_count)

    @cached_property
    def tensor_bytes(self) -> Sequence[int]:
        """Bytes of each tensor."""
        return self.tensors.n_bytes if isinstance(self.tensors, QuantizedTensors) else [one.n_bytes for one in self.tensors]

    @cached_property
    def block_bytes(self) -> tuple[tuple[int, ...], ...]:
        """Bytes of the tensors of each block, in the order of `block_tensors`."""
        return self.block_tensors.by_block(self.tensor_bytes)

    @cached_property
    def padded_block_bytes(self) -> tuple[tuple[int, ...], ...]:
        """As `block_bytes`, on a device that ends the rows of quantized tensors on whole `ROW_PADDING` values.

        ggml-cuda.cu:903-920: a tensor is followed by what the last row lacks (MATRIX_ROW_PADDING, ggml-cuda/common.cuh:186).
        """
        sizes = zip(self.tensors, self.tensor_bytes, strict=True)
        return self.block_tensors.by_block([n_bytes + row_padding(one) for one, n_bytes in sizes])

    @cached_property
    def weight_table(self) -> WeightTable:
        """Bytes of the weights by the parts that go to devices as a whole."""
        if self.known_weights is not None:
            return self.known_weights
        hp = self.hyperparameters
        return WeightTable.from_tensors(self.tensors, hp.block_count, hp.architecture)

    @cached_property
    def active_parameters(self) -> int:
        """Weights that one token is multiplied with: all but the experts that the router does not choose."""
        hp = self.hyperparameters
        if not hp.expert_count:
            return self.parameters
        experts = sum(tensor.elements for tensor in self.tensors if EXPERTS.search(tensor.name))
        return self.parameters - experts + experts * hp.expert_used_count // hp.expert_count


def model_from_header(header: GGUFHeader, *, id: str, source: str) -> ModelMetadata:  # noqa: A002 (the field's name)
    """The model whose file begins with `header`; `source` is its path or file name, by which it is called if it has no name.

    Raises NotAModelError for a sound file that is no language model, GGUFPartMissingError where parts were not read, and
    HyperparameterError naming the key that is missing or impossible.
    """
    _check_is_model(header, source)
    stem = model_stem(PurePath(source).name)
    hp = hyperparameters(header.metadata, {tensor.name for tensor in header.tensors})
    label, assumption = _quantization(header, stem)
    name = header.metadata.get("general.name")
    return ModelMetadata(
        id=id,
        name=name if isinstance(name, str) and name.strip() else stem,
        hyperparameters=hp,
        tensors=header.tensors,
        quantization=label,
        file_bytes=header.file_bytes,
        predicted=False,
        source=source,
        assumptions=hp.assumptions + assumption,
        keys=header.metadata,
    )


_OTHER_KINDS = {
    "mmproj": "a vision or audio projector, which a language model takes beside its own file",
    "adapter": "an adapter (LoRA), which a language model takes beside its own file",
    "imatrix": "an importance matrix, made for quantizing",
    "controlvector": "a control vector, which a language model takes beside its own file",
}
"""Values of general.type or general.architecture that no language model has, and what such a file is."""


def _check_is_model(header: GGUFHeader, source: str) -> None:
    kind = "mmproj" if header.is_projector else header.kind
    what = _OTHER_KINDS.get(kind or "") or _OTHER_KINDS.get(header.architecture or "")
    if what:
        raise NotAModelError(f"is {what}", path=source)
    if header.parts < header.split_count:
        raise GGUFPartMissingError(
            f"is one of {header.split_count:,} parts of a model, and only {header.parts:,} of them was read",
            path=source,
            advice="give the first part, with all others beside it",
        )
    if not header.tensors:
        raise NotAModelError("holds a vocabulary and no weights", path=source)


def _quantization(header: GGUFHeader, stem: str) -> tuple[str | None, tuple[str, ...]]:
    """llama.cpp's name of the quantization, from general.file_type, else the file's name, else its tensors; what was assumed.

    A file name may say it more closely: "UD-Q4_K_XL" and "Q4_K_L" are both Q4_K_M by their file type.
    """
    number = header.metadata.get("general.file_type")
    declared = from_ftype(number) if isinstance(number, int) else None
    named = quantization_in_name(stem)
    if declared:
        return (named if named and QUANTIZATIONS[named].base == declared else declared), ()
    if named:
        return named, (f"The file does not say its quantization; its name says {named}.",)
    elements: Counter[GGMLQuantizationType] = Counter()
    for tensor in header.tensors:
        elements[tensor.type] += tensor.elements
    common = elements.most_common(1)[0][0]
    try:
        label = parse_quantization(common.name)
    except QuestionError:
        return None, ()
    return label, (f"The file does not say its quantization; most of its weights are {common.name}.",)


def quantization_in_name(stem: str) -> str | None:
    """The quantization that a file name ends with or holds ("Qwen3-8B-UD-Q4_K_XL", "model.q8_0"); None where there is none."""
    words = re.split(r"[-. ]", stem.upper())
    for last in range(len(words) - 1, -1, -1):
        for name in (f"UD-{words[last]}" if last and words[last - 1] == "UD" else "", words[last]):
            try:
                return parse_quantization(name)
            except QuestionError:
                continue
    return None
