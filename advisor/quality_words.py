"""What is said about the loss and the size of quantized files, in words. Pages and the command line use the same sentences."""

from collections.abc import Sequence

from advisor.advice.file_choice import FileChoice
from advisor.advice.quality import Loss
from advisor.units import format_size


def loss_range(loss: Loss | None) -> str:
    """An expected loss with its range: "KLD 0.014 (0.007 to 0.030), perplexity +1.4 % (+0.6 to +3.2 %)"."""
    if loss is None or loss.kld == 0:
        return "no loss"
    kld = f"KLD {loss.kld:.2g} ({loss.kld_low:.2g} to {loss.kld_high:.2g})"
    more = [100 * (ratio - 1) for ratio in (loss.perplexity_ratio, loss.perplexity_ratio_low, loss.perplexity_ratio_high)]
    return f"{kld}, perplexity +{more[0]:.2g} % (+{more[1]:.2g} to +{more[2]:.2g} %)"


def loss_sentence(name: str, loss: Loss | None) -> str:
    """What a file is expected to lose against the 16-bit model, and on what ground that is said."""
    if loss is None:
        return f"{name} is what the model was released in: it loses nothing."
    if loss.kld == 0:
        return f"{name} is the model at 16 bits: it loses nothing."
    told = "KLD says how far its predictions move, in nats a token"
    return f"Expected of {name} against 16 bits: {loss_range(loss)}; {loss.basis}. {told}."


def size_band(name: str, band: tuple[float, float]) -> str:
    """How far published files of a name may be from the size shown."""
    low, high = (round(100 * side, 1) for side in band)
    if max(-low, high) <= 0.11:
        return f"Published {name} files all have this size."
    return f"Published {name} files may be {-low:.3g} % smaller to {high:.3g} % larger: publishers mix types in their own ways."


def files_text(files: Sequence[FileChoice], chosen: str | None) -> str:
    """What the figure of files shows, for those who cannot see it."""
    said = []
    for file in files:
        name = f"{file.quantization} (chosen)" if file.quantization == chosen else file.quantization
        said.append(f"{name}: {format_size(file.file_bytes)}, {loss_range(file.loss)}")
    return "Size and expected loss of each file. " + ". ".join(said) + "."
