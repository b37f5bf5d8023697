"""Short answers where the questions arise: words of the field, and what beginners ask. Markdown, each read in a few seconds.

`WORDS` explain a knob or a figure (`help=`); `QUESTIONS` are drawn by `ask` as quiet popovers, only where they arise.
"""

from collections.abc import Iterable
from types import MappingProxyType

import streamlit as st

WORDS = MappingProxyType(
    {
        "quantization": (
            "Weights stored in fewer bits, so that the file is smaller and faster to read. Q4_K_M keeps about 4.8 bits of "
            "each weight instead of 16; below 4 bits the answers suffer."
        ),
        "context": (
            "How much text the model keeps in view, prompt and answer together. 8k tokens are about 12 pages. A longer "
            "context takes more memory."
        ),
        "kv_cache": (
            "What the model remembers of the context: keys and values of every token. It grows with the context. Smaller "
            "types halve or quarter it and lose some precision."
        ),
        "offload": (
            "How many of the model's layers lie in the GPU's memory. The others lie in system memory, where they are read "
            "many times slower. Automatic: as many as fit, as the program itself decides."
        ),
        "moe": (
            "Mixture of experts: for each token only a part of the weights is read, so the model is as fast as a small "
            "one. All of it must lie in memory all the same."
        ),
        "tokens_per_second": (
            "How fast the answer is written. 100 tokens are about 75 words; people read about 5 tokens a second. Models "
            "that are expected to be slower are left out."
        ),
        "verdict": (
            "✓ fits with a margin. ! tight: only just, or by closing programs. ◐ partial: a part lies in system memory, "
            "and is slow. ✕ no: it does not fit."
        ),
        "bandwidth": (
            "How fast the memory that holds the model is read. Speed depends on it, because each token reads all active "
            "weights once; whether a model fits does not."
        ),
        "grade": (
            "How a number is known. Formula: ours, which follows the program's own allocation. Engine: llama.cpp itself "
            "planned it. Measured: a run on this machine. Typical: a fact about the hardware family."
        ),
    }
)

QUESTIONS = MappingProxyType(
    {
        "What is Q4_K_M?": (
            "The name of a file's **quantization**: *Q4* means about 4 bits a weight instead of 16, *K* the newer scheme "
            "with blocks of blocks, *M* the medium mix, in which the most sensitive tensors keep more bits. It is the "
            "usual choice: a little over a quarter of the size, with answers that most people cannot tell from the "
            "original. Q8_0 is nearly without loss; IQ2 and IQ1 squeeze a large model into little memory, and it shows."
        ),
        "Why does a 13B need more than a 7B?": (
            "The number before the **B** counts the model's weights, in billions. All of them must lie in memory while it "
            "runs. At 4.8 bits a weight, 7B take about 4 GiB and 13B about 7.3 GiB. The context's memory (**KV cache**) "
            "comes on top, and is larger in larger models too."
        ),
        "GPU or CPU?": (
            "Writing one token reads every active weight once, so **memory bandwidth** decides the speed. A graphics card "
            "reads its own memory at 170 to 1,800 GB/s, a Mac's chip its shared memory at 70 to 1,200, an ordinary "
            "processor at 40 to 100. What fits on the GPU whole is fast; every layer outside slows all of it down."
        ),
        "Who makes these files?": (
            "A lab trains a model and publishes its weights (Meta, Alibaba's Qwen, Google, Mistral and others). The "
            "program llama.cpp turns them into one **GGUF** file, and people of the community publish such files in many "
            "sizes on Hugging Face. Headroom reads the file's own header before it is downloaded."
        ),
        "What does partial mean?": (
            "A part of the model lies in system memory, because the GPU's is full (**offload**). It runs, but each token "
            "waits for the slow part. Of a **mixture of experts** only a few experts are read for each token, so there it "
            "hurts less."
        ),
    }
)


def ask(questions: Iterable[str]) -> None:
    """Draw these questions in one quiet row; each opens its answer."""
    row = st.container(horizontal=True, gap="small", key="questions")
    for question in questions:
        with row.popover(question, type="tertiary"):
            st.markdown(QUESTIONS[question], width=420)
