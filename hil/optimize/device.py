"""Which device a name means, and why one is not there."""

from hil.errors import ConfigError


def find_device(name: str, asked: str = "device:") -> str:
    """`cpu`, `cuda` or `cuda:N`, whichever is meant; `auto` is a GPU where there is one, else the CPU.

    asked: what the name was an answer to. Raises ConfigError for a device that is not there and for what is none.
    """
    if name == "cpu":
        return name
    import torch

    here = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if here else "cpu"
    kind, colon, number = name.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise ConfigError(f"{asked} there is no {name!r}, allowed: cpu, cuda, cuda:1 and so on")
    if not here:
        raise ConfigError(f"{asked} no CUDA device is visible to torch, allowed: cpu; {_why()}")
    if number and int(number) >= torch.cuda.device_count():
        raise ConfigError(f"{asked} {name} is not there, allowed: cpu, cuda:0 to cuda:{torch.cuda.device_count() - 1}")
    return name


def _why() -> str:
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA: install its usual build in place of the CPU's"
    return f"torch {torch.__version__} needs a driver for CUDA {torch.version.cuda}: `nvidia-smi` tells the driver's"
