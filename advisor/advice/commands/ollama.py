"""Commands of Ollama: the server's environment, a Modelfile with the settings, and the run.

Names of the variables: ollama envconfig/config.go, AsMap. Parameters that a Modelfile takes: api/types.go, Options and Runner.
"""

from advisor.advice.commands.launch import Command, Launch
from advisor.advice.commands.llama_cpp import ALL_LAYERS
from advisor.advice.commands.shell import here_document, joined, with_environment

MODELFILE = "Modelfile"


def ollama(launch: Launch) -> Command | None:
    """A Modelfile, and the commands that make and run it; None where there is neither a file nor a repository nor a name.

    Ollama gives each request a context of its own, of `num_ctx` tokens (llm/llama_server.go: -c num_ctx x parallel).
    """
    source = _source(launch)
    if source is None:
        return None
    name = _name(launch)
    settings = launch.settings
    parameters: dict[str, object] = {"num_ctx": launch.context_of_each}
    # With experts in system memory the number of layers is left to Ollama: it has no parameter for experts, and its own fit
    # (llama.cpp's) keeps them there first.
    if settings.cpu_moe_layers == 0:
        parameters["num_gpu"] = 0 if launch.gpus == 0 else ALL_LAYERS if launch.all_layers else settings.gpu_layers
    if settings.ubatch != 512:
        parameters["num_batch"] = settings.ubatch
    if launch.threads is not None and not launch.all_on_gpu:
        parameters["num_thread"] = launch.threads
    parameters |= {name: f"{value:g}" for name, value in launch.sampling.given.items()}
    lines = [f"FROM {source}", *(f"PARAMETER {name} {value}" for name, value in parameters.items())]
    text = "\n".join(
        [
            here_document(MODELFILE, lines, launch.shell),
            joined(["ollama", "create", name, "-f", MODELFILE], launch.shell),
            joined(["ollama", "run", name], launch.shell),
        ]
    )
    return Command(text, launch.language, _notes(launch))


def _source(launch: Launch) -> str | None:
    files = launch.files
    if files.ollama:
        return files.ollama
    if files.path:
        return files.path
    return f"hf.co/{files.gguf_repo}:{launch.tag}" if files.gguf_repo else None


def _name(launch: Launch) -> str:
    return f"{launch.model_id}-{launch.quantization}-{launch.context_of_each}".lower().replace(":", "-").replace("/", "-")


def _notes(launch: Launch) -> tuple[str, ...]:
    """The server's environment, which a Modelfile cannot hold: it is set where Ollama is started."""
    settings = launch.settings
    environment: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if launch.requests > 1:
        environment["OLLAMA_NUM_PARALLEL"] = str(launch.requests)
    if settings.flash_attention != "auto":
        environment["OLLAMA_FLASH_ATTENTION"] = "1" if settings.flash_attention == "on" else "0"
    if settings.type_k != "f16" or settings.type_v != "f16":
        environment["OLLAMA_KV_CACHE_TYPE"] = settings.type_k
        if settings.type_k != settings.type_v:
            notes += (f"Ollama keeps keys and values in one type; this takes {settings.type_k} for both.",)
    if environment:
        line = with_environment(environment, "ollama serve", launch.shell)
        notes += (f"These settings belong to Ollama's server. Stop it, then start it as: {line}",)
    if launch.files.projector or launch.files.draft:
        notes += ("The vision projector or draft model is not part of this Modelfile.",)
    return notes
