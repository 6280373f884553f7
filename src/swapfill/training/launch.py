"""What torchrun tells the processes that it starts; known before torch is imported."""

import os


def processes() -> int:
    """Tell how many processes train together: 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def processes_here() -> int:
    """Tell how many of them are on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if processes() > 1 else 1


def is_leader() -> bool:
    """Tell whether this process is the one that speaks for all."""
    return processes() == 1 or os.environ["RANK"] == "0"
