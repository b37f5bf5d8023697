"""Lines as llama.cpp 0c1e57098 printed them, and lines that are not known."""
# ruff: noqa: E501 (the lines are as long as they were printed)

import pytest

from advisor.engine.log_lines import PlanLog, QuantizeLog, agrees

QWEN_3_5 = """\
load_tensors: layer   0 assigned to device gpu0, is_swa = 0
load_tensors: layer   1 assigned to device CPU, is_swa = 0
llama_context: constructing llama_context
llama_context: n_ctx                 = 8192
llama_context:        CPU  output buffer size =     0.95 MiB
llama_kv_cache:       gpu0 KV buffer size =     0.00 MiB
llama_kv_cache: size =  160.00 MiB (  8192 cells,  10 layers,  1/1 seqs), K (f16):   80.00 MiB, V (f16):   80.00 MiB
llama_kv_cache: attn_rot_k = 0, n_embd_head_k_all = 256
llama_memory_recurrent:       gpu0 RS buffer size =    62.81 MiB
llama_memory_recurrent: size =   62.81 MiB (     1 cells,  40 layers,  1 seqs  0 rs_seq), R (f32):    2.81 MiB, S (f32):   60.00 MiB, P (f32):    0.00 MiB
sched_reserve: reserving ...
resolve_fused_ops: Flash Attention enabled
sched_reserve:       gpu0 compute buffer size =   497.00 MiB
sched_reserve:        CPU compute buffer size =    16.02 MiB
sched_reserve: graph (pp bs=512, tg bs=1): nodes = 998 / 998, splits = 160 / 3, input objects = 4 / 4, input tensors = 6 / 6
sched_reserve: reserve took 13.14 ms, sched copies = 1"""


def read(text: str) -> PlanLog:
    log = PlanLog()
    for line in text.split("\n"):
        log.read(line)
    return log


def test_a_hybrid_model() -> None:
    log = read(QWEN_3_5)
    assert log == PlanLog(
        layers={0: "gpu0", 1: "CPU"},
        caches=[(160.0, 10)],
        states=[(62.81, 40)],
        output=0.95,
        compute={"gpu0": 497.0, "CPU": 16.02},
        copies=1,
        flash_attention=True,
        unread=[],
    )


def test_caches_add_up() -> None:
    windowed = (
        "llama_kv_cache: size =   18.00 MiB (   768 cells,  12 layers,  4/1 seqs), K (q8_0):    9.00 MiB, V (f16):    9.00 MiB"
    )
    assert read(f"{QWEN_3_5}\n{windowed}").caches == [(160.0, 10), (18.0, 12)]


def test_flash_attention_that_is_not_to_be_had() -> None:
    assert read("resolve_fused_ops: Flash Attention not supported, set to disabled").flash_attention is False
    assert read("").flash_attention is None


STRANGE = [
    "llama_kv_cache: size =  160.00 MiB (  8192 cells,  10 layers), K (f16):   80.00 MiB, V (f16):   80.00 MiB",
    "llama_kv_cache_new: size = 12.00 MiB",
    "sched_reserve:       gpu0 scratch buffer size =   497.00 MiB",
    "llama_context:        CPU  output buffer size =     0.95 MiB (pinned)",
]


@pytest.mark.parametrize("line", STRANGE)
def test_a_size_in_a_line_that_is_not_known_is_reported(line: str) -> None:
    log = read(f"{QWEN_3_5}\n{line}")
    assert log.unread == [line]
    assert log.caches == [(160.0, 10)]


def test_what_agrees() -> None:
    assert agrees(1 << 30, 1024.0)
    assert agrees((1 << 30) + 5000, 1024.0)
    assert not agrees((1 << 30) + 20000, 1024.0)
    assert agrees((1 << 30) + 20000, 1024.0, tensors=4)
    assert not agrees((1 << 30) - 20000, 1024.0, tensors=4)


QUANTIZE = """\
[   1/   3] output_norm.weight                   - [  4096,     1,     1,     1], type =    f32, size =    0.016 MiB
[   2/   3] token_embd.weight                    - [  4096, 128256,     1,     1], type =    f16, size =  1002.00 MiB ->   281.81 MiB (q4_K)
warning: blk.0.attn_k.weight                  - ncols    576 not divisible by 256 (required for type    q4_K) -> falling back to    q5_0
[   3/   3] blk.0.attn_k.weight                  - [   576,   192,     1,     1], type =    f16, size =     0.21 MiB ->     0.07 MiB (q5_0)
llama_model_quantize_impl: model size  =  1002.23 MiB (16.00 BPW)
llama_model_quantize_impl: quant size  =   281.90 MiB (4.50 BPW)"""


def test_a_dry_run_of_quantizing() -> None:
    log = QuantizeLog.of(QUANTIZE.split("\n"))
    assert log.unread == ()
    assert dict(zip(log.names, log.types, strict=True)) == {
        "output_norm.weight": "f32",
        "token_embd.weight": "q4_K",
        "blk.0.attn_k.weight": "q5_0",
    }


def test_a_line_of_quantizing_that_is_not_known_is_reported() -> None:
    strange = "[   4/   4] blk.0.attn_v.weight                  - [   576,   192,     1,     1], size =     0.21 MiB"
    assert QuantizeLog.of([*QUANTIZE.split("\n"), strange]).unread == (strange,)
