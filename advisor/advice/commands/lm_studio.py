"""Commands of LM Studio's `lms`: fetch, then load with the settings (lmstudio-ai/lms, src/subcommands/get.ts and load.ts)."""

from pathlib import PurePosixPath, PureWindowsPath

from advisor.advice.commands.launch import Command, Launch
from advisor.advice.commands.shell import joined


def lm_studio(launch: Launch) -> Command | None:
    """`lms get` or `lms import`, then `lms load`; None where there is neither a file nor a repository.

    KV type, batch and experts in system memory are set in the app: `lms load` has no options for them, which the notes say.
    """
    files, settings = launch.files, launch.settings
    if files.path:
        fetch = joined(["lms", "import", "--symbolic-link", files.path], launch.shell)
        key = _stem(files.path, launch)
    elif files.gguf_repo:
        address = f"https://huggingface.co/{files.gguf_repo}@{launch.tag.lower()}"
        fetch = joined(["lms", "get", "--gguf", address], launch.shell)
        key = files.gguf_repo.rpartition("/")[2].removesuffix("-GGUF").removesuffix("-gguf").lower()
    else:
        return None
    load: list[object] = ["lms", "load", key, "--context-length", settings.context, "--gpu", _ratio(launch)]
    if settings.slots != 4:  # LM Studio 0.4 serves four requests at once by itself (memory/presets.py)
        load += ["--parallel", settings.slots]
    return Command("\n".join([fetch, joined(load, launch.shell)]), launch.language, _notes(launch))


def _stem(path: str, launch: Launch) -> str:
    name = PureWindowsPath(path).name if launch.shell == "powershell" else PurePosixPath(path).name
    return name.removesuffix(".gguf").lower()


def _ratio(launch: Launch) -> str:
    if launch.gpus == 0:
        return "off"
    if launch.all_layers:
        return "max"
    return f"{int(launch.settings.gpu_layers) / (launch.layer_count + 1):.2f}"


def _notes(launch: Launch) -> tuple[str, ...]:
    settings = launch.settings
    in_app = []
    if settings.type_k != "f16" or settings.type_v != "f16":
        in_app.append(f"K cache {settings.type_k} and V cache {settings.type_v}")
    if settings.flash_attention != "auto":
        in_app.append(f"flash attention {settings.flash_attention}")
    if settings.cpu_moe_layers:
        in_app.append(f"experts of {settings.cpu_moe_layers} layers in system memory")
    notes = ("If `lms load` finds several models, it asks which; `lms ls` lists their names.",)
    return (f"Set in the app, in the model's load settings: {', '.join(in_app)}.", *notes) if in_app else notes
