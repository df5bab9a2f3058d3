"""The shipped models: of each an exported file, and its weights for fine-tuning."""

from __future__ import annotations

from pathlib import Path

from mmfer.utils.files import sha256

DEFAULT = 'poster_var_ferplus_small'
"""The model that answers where none is named."""
SUMS = 'SHA256SUMS'


def shipped_file(name: str, ending: str) -> Path | None:
    """The file of a shipped model, found to be whole; None where mmfer ships no such model.

    Args:
        name: Of the model index.
        ending: ``'.onnx'`` or ``'.safetensors'``.

    Raises:
        ValueError: The file is not the one that was shipped.
    """
    folder = Path(__file__).parent
    sums = dict(reversed(line.split()) for line in (folder / SUMS).read_text().splitlines())
    path = folder / f'{name}{ending}'
    if path.name not in sums:
        return None
    if not path.is_file() or sha256(path) != sums[path.name]:
        raise ValueError(f'{path} is missing, damaged or changed (SHA-256). Install mmfer again.')
    return path


def checkpoint_file(checkpoint: str | Path) -> Path:
    """The file of a checkpoint: a path stays as it is, the name of a shipped model becomes that of its weights."""
    path = Path(checkpoint)
    return path if path.suffix else shipped_file(str(checkpoint), '.safetensors') or path
