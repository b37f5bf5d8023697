"""Which type llama.cpp gives one tensor: `choose_type`, the decisions of llama-quantize over few facts, each made once.

All line numbers without a file are those of src/llama-quant.cpp in the llama.cpp of llama_cpp_python 0.3.36.
"""

from functools import lru_cache

from gguf.constants import GGML_QUANT_SIZES
from gguf.constants import GGMLQuantizationType as Kind

from advisor.errors import QuestionError
from advisor.models.quantization_facts import EMBEDDINGS, FEED_FORWARD, V_LIKE, Category, TensorFacts, Traits
from advisor.models.quantization_names import QUANTIZATIONS

_FALLBACK = {
    **dict.fromkeys(
        (Kind.IQ1_S, Kind.IQ1_M, Kind.IQ2_XXS, Kind.IQ2_XS, Kind.IQ2_S, Kind.IQ3_XXS, Kind.IQ3_S, Kind.IQ4_XS), Kind.IQ4_NL
    ),
    **dict.fromkeys((Kind.Q2_K, Kind.Q3_K, Kind.TQ1_0, Kind.TQ2_0), Kind.Q4_0),
    Kind.Q4_K: Kind.Q5_0,
    Kind.Q5_K: Kind.Q5_1,
    Kind.Q6_K: Kind.Q8_0,
}
_FLOATS = frozenset({Kind.F32, Kind.F16, Kind.BF16})
_VERY_LOW_BIT = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS"})
_LOW_BIT = _VERY_LOW_BIT | {"IQ2_S", "IQ2_M"}


@lru_cache(maxsize=65536)
def choose_type(file_type: str, tensor: TensorFacts, model: Traits) -> Kind:
    """Type of a tensor in a file of `file_type`, a plain name such as "Q4_K_M" (llama_tensor_get_type, 717-774)."""
    default = QUANTIZATIONS[file_type].default_type
    if default is None:
        raise ValueError(f"{file_type} is not a file type of llama.cpp")
    if tensor.fixed is not None:
        return default if default in _FLOATS and tensor.fixed is Kind.F16 else tensor.fixed
    if default in _FLOATS:
        lowered = model.era.float_output_q6 and default is Kind.F16
        if not (lowered and (tensor.category is Category.OUTPUT or _is_output_too(tensor, model))):
            return default
    if tensor.override is not None:
        chosen = tensor.override
    elif tensor.minimum_q8:
        chosen = Kind.Q8_0
    elif tensor.category is Category.OUTPUT or _is_output_too(tensor, model):
        chosen = _output_type(file_type, default, tensor, model)
    elif file_type == "MXFP4_MOE":
        chosen = _mxfp4_type(tensor, model)
    elif tensor.category in EMBEDDINGS:
        chosen = _embedding_type(file_type, default, tensor, model)
    elif file_type in _LOW_BIT:
        chosen = _low_bit_type(file_type, default, tensor, model)
    else:
        chosen = _mixed_type(file_type, default, tensor, model)
    return fitting_type(chosen, tensor.row_divisor)


def fitting_type(kind: Kind, row_divisor: int) -> Kind:
    """`kind`, or what takes its place where rows are not a multiple of its block (tensor_type_fallback, 390-441).

    Raises QuestionError where llama-quantize gives up: q1_0 has no replacement.
    """
    if row_divisor % GGML_QUANT_SIZES[kind][0] == 0:
        return kind
    smaller = _FALLBACK.get(kind, kind)
    if GGML_QUANT_SIZES[smaller][0] > 32:
        raise QuestionError(
            f"llama-quantize cannot store rows of this model as {kind.name}; choose another type", field="quantization"
        )
    return smaller if row_divisor % GGML_QUANT_SIZES[smaller][0] == 0 else Kind.F16


def _is_output_too(tensor: TensorFacts, model: Traits) -> bool:
    if not model.tied or tensor.category not in EMBEDDINGS:
        return False
    # ggml-org/llama.cpp pull request 5650 (22 February 2024): architectures without an output tensor, which was Gemma alone
    if model.era.tied_embedding_plain and model.architecture != "gemma":
        return False
    return tensor.category is Category.EMBEDDING or not model.era.per_layer_embedding_plain


def _output_type(file_type: str, default: Kind, tensor: TensorFacts, model: Traits) -> Kind:
    """output.weight, or the token embedding of a tied model (488-511)."""
    unfit = tensor.row_divisor % GGML_QUANT_SIZES[default][0] != 0
    if file_type == "MXFP4_MOE" or model.architecture == "falcon" or unfit or default is Kind.Q8_0:
        return Kind.Q8_0
    return Kind.Q5_K if file_type in _LOW_BIT or file_type == "IQ3_XXS" else Kind.Q6_K


def _mxfp4_type(tensor: TensorFacts, model: Traits) -> Kind:
    """Experts, and everything else with three dimensions, in MXFP4, the rest in q8_0 (512-524)."""
    if tensor.three_dimensional and (model.architecture != "bailingmoe3" or tensor.category in FEED_FORWARD):
        return Kind.MXFP4
    return Kind.Q8_0


def _embedding_type(file_type: str, default: Kind, tensor: TensorFacts, model: Traits) -> Kind:
    """The token embedding beside an output.weight (525-542)."""
    if tensor.category is Category.PER_LAYER_EMBEDDING and model.era.per_layer_embedding_plain:
        return default
    if file_type in _VERY_LOW_BIT:
        return Kind.Q2_K
    if file_type in {"IQ2_S", "IQ2_M", "IQ3_XXS"}:
        return Kind.IQ3_S
    return Kind.Q4_K if file_type in {"TQ1_0", "TQ2_0"} else default


def _is_v_like(tensor: TensorFacts, model: Traits) -> bool:
    return tensor.category is Category.V or (tensor.category in V_LIKE and not model.era.qkv_own_rule)


def _low_bit_type(file_type: str, default: Kind, tensor: TensorFacts, model: Traits) -> Kind:
    """The mixes of IQ1 and IQ2 (543-566)."""
    small = file_type in {"IQ2_S", "IQ2_M"}
    stronger = Kind.IQ3_S if small else Kind.Q2_K
    chosen = default
    if _is_v_like(tensor, model):
        chosen = Kind.Q4_K if model.gqa >= 4 or model.expert_count >= 4 else stronger
    elif tensor.category is Category.K and model.expert_count == 8:
        chosen = Kind.Q4_K
    elif tensor.category is Category.FFN_DOWN and tensor.first_eighth_counted:
        chosen = stronger
    elif tensor.category is Category.ATTENTION_OUTPUT:
        others = Kind.IQ3_S if small else Kind.IQ2_XXS if file_type in {"IQ1_S", "IQ1_M"} else default
        chosen = Kind.Q5_K if model.expert_count == 8 else others
    return chosen


def _mixed_type(file_type: str, default: Kind, tensor: TensorFacts, model: Traits) -> Kind:
    """The mixes of all other file types, by category (567-711)."""
    chosen = default
    match tensor.category:
        case _ if _is_v_like(tensor, model):
            chosen = _v_type(file_type, default, tensor, model)
        case Category.K if model.expert_count == 8:
            chosen = Kind.Q8_0
        case Category.K | Category.Q:
            chosen = {"IQ3_XS": Kind.IQ3_XXS, "IQ3_XXS": Kind.IQ2_S}.get(file_type, default)
        case Category.FFN_DOWN:
            chosen = _ffn_down_type(file_type, default, tensor, model)
        case Category.ATTENTION_OUTPUT:
            chosen = _attention_output_type(file_type, default, model)
        case Category.QKV:
            chosen = _OLD_QKV.get(file_type, default)
        case Category.FFN_GATE | Category.FFN_UP if file_type == "Q2_K" and model.era.q2_k_gate_up_q3:
            chosen = Kind.Q3_K
        case Category.FFN_GATE | Category.FFN_UP if file_type == "IQ3_XS" and tensor.middle:
            chosen = Kind.IQ3_XXS
    return chosen


# 689-695: out of reach today, since attn_qkv counts as V, and in force in older versions
_OLD_QKV = {"Q4_K_M": Kind.Q5_K, "Q5_K_M": Kind.Q6_K, "Q3_K_M": Kind.Q4_K, "Q3_K_L": Kind.Q4_K, "IQ3_M": Kind.Q4_K}


def _v_type(file_type: str, default: Kind, tensor: TensorFacts, model: Traits) -> Kind:
    """attn_v, attn_qkv and attn_kv_b (567-604)."""
    if model.expert_count == 8:
        return Kind.Q8_0
    grouped = model.gqa >= 4
    chosen = default
    match file_type:
        case "Q2_K":
            chosen = Kind.Q4_K if grouped else Kind.Q3_K
        case "IQ3_XXS":
            chosen = Kind.Q4_K if grouped else Kind.IQ3_XXS if model.imatrix else Kind.IQ3_S
        case "Q2_K_S" | "IQ3_XS" | "IQ3_S" if grouped:
            chosen = Kind.Q4_K
        case "IQ3_M":
            chosen = Kind.Q4_K
        case "Q3_K_M":
            chosen = Kind.Q5_K if tensor.first_two else Kind.Q4_K
        case "Q3_K_L":
            chosen = Kind.Q5_K
        case "IQ4_NL" | "IQ4_XS" if grouped:
            chosen = Kind.Q5_K
        case "Q4_K_M" | "Q5_K_M" if tensor.more_bits:
            chosen = Kind.Q6_K
        case "Q4_K_S" if tensor.first_four:
            chosen = Kind.Q5_K
    return Kind.Q5_K if model.is_70b and chosen in {Kind.Q3_K, Kind.Q4_K} else chosen


def _ffn_down_type(file_type: str, default: Kind, tensor: TensorFacts, model: Traits) -> Kind:
    """ffn_down of dense blocks, experts and shared experts (624-668)."""
    falcon = model.architecture == "falcon"
    chosen = default
    match file_type:
        case "Q2_K":
            chosen = Kind.Q3_K
        case "Q2_K_S" if tensor.first_eighth:
            chosen = Kind.Q4_K
        case "IQ3_XXS" if not model.imatrix:
            chosen = Kind.Q4_K if tensor.first_eighth else Kind.Q3_K
        case "Q3_K_M":
            chosen = Kind.Q5_K if tensor.first_sixteenth else Kind.Q3_K if falcon and not tensor.more_bits else Kind.Q4_K
        case "IQ3_M" if tensor.first_eighth or (model.expert_count == 8 and tensor.more_bits):
            chosen = Kind.Q4_K
        case "Q3_K_L":
            chosen = Kind.Q4_K if falcon else Kind.Q5_K
        case "Q4_K_M" if falcon:
            chosen = Kind.Q6_K if tensor.first_sixteenth else Kind.Q5_K if tensor.more_bits else Kind.Q4_K
        case "Q4_K_M" | "Q5_K_M" if tensor.more_bits:
            chosen = Kind.Q6_K
        case "IQ4_NL" | "IQ4_XS" if tensor.first_eighth and not model.imatrix:
            chosen = Kind.Q5_K
        case "Q4_K_S" if tensor.first_eighth and not falcon:
            chosen = Kind.Q5_K
        case "Q4_0" | "Q5_0" if tensor.first_eighth and model.imatrix:
            chosen = Kind.Q4_1 if file_type == "Q4_0" else Kind.Q5_1
    return chosen


_OUTPUT_8_EXPERTS = frozenset(
    ["Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_XS"]
)


def _attention_output_type(file_type: str, default: Kind, model: Traits) -> Kind:
    """attn_output (669-688)."""
    if model.architecture == "falcon":
        return Kind.Q4_K if file_type == "Q3_K_L" else default
    if model.expert_count == 8 and not model.era.early_mixtral:
        return Kind.Q5_K if file_type in _OUTPUT_8_EXPERTS else default
    raised = {"Q2_K": Kind.Q3_K, "IQ3_XXS": Kind.IQ3_S, "Q3_K_M": Kind.Q4_K, "Q3_K_L": Kind.Q5_K, "IQ3_M": Kind.Q4_K}
    return raised.get(file_type, default)
