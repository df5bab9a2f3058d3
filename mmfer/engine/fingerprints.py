"""Short hashes by which data, weights and batches are known again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from mmfer.structures.run_record import DIGITS
from mmfer.utils.nesting import inside, protocol_of


def _end(path: Any) -> str:
    """The last folder and the name, so that a hash does not depend on where the data lie."""
    return '/'.join(str(path).replace('\\', '/').split('/')[-2:])


def list_hash(entries: Iterable[Mapping]) -> str:
    """Hash of the ``img_path``, ``gt_label`` and ``gt_score`` of samples in their order, as far as they have them."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f'{_end(entry.get("img_path", ""))}\t{entry.get("gt_label")}\n'.encode())
        score = entry.get('gt_score')
        if score is not None:
            digest.update(','.join(f'{float(x):.5g}' for x in score).encode())
    return digest.hexdigest()[:DIGITS]


def _parts(dataset: Any) -> list:
    """The data sets that tell their entries; those of MMEngine's wrappers are inside."""
    if hasattr(dataset, 'entry') or not inside(dataset):
        return [dataset]
    return [each for part in inside(dataset) for each in _parts(part)]


def dataset_fingerprint(dataset: Any) -> dict[str, Any]:
    """What a data set is: its ``protocol``, number of ``samples``, ``class_counts``, and ``list_hash``.

    Of wrappers of MMEngine, which the protocol names, counts and hash are those of what is inside, each once.
    """
    counts: Counter = Counter()
    hashes = []
    for part in _parts(dataset):
        counts.update(part.class_counts() if hasattr(part, 'class_counts') else {})
        entry = getattr(part, 'entry', None) or getattr(part, 'get_data_info', None)
        hashes.append(list_hash(map(entry, range(len(part)))) if entry else 'unknown')
    joint = hashlib.sha256('\n'.join(hashes).encode()).hexdigest()[:DIGITS]
    return dict(
        protocol=protocol_of(dataset),
        samples=len(dataset),
        class_counts={str(name): int(count) for name, count in counts.items()},
        list_hash=joint if len(hashes) > 1 else hashes[0],
    )


def weights_fingerprint(model: nn.Module) -> dict[str, str]:
    """Hash of the state of each part of a model that has one: ``{'backbone': ..., 'neck': ..., 'head': ...}``."""
    found = {}
    for part, module in model.named_children():
        state = module.state_dict()
        digest = hashlib.blake2b(digest_size=DIGITS // 2)
        for name, tensor in state.items():
            if isinstance(tensor, torch.Tensor):
                digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
                digest.update(_bytes(tensor))
        if state:
            found[part] = digest.hexdigest()
    return found


def batch_fingerprint(batch: Mapping) -> dict[str, str]:
    """Hashes of which ``samples``, with their labels, a batch has, and of its ``inputs`` as they are augmented."""
    samples, inputs = (hashlib.blake2b(digest_size=DIGITS // 2) for _ in range(2))
    for sample in _flat(batch['data_samples']):
        path = _end(sample.get('img_path', ''))
        label = sample.get('gt_label')
        samples.update(f'{sample.get("sample_idx")} {path} {None if label is None else label.tolist()}\n'.encode())
    for tensor in _flat(batch['inputs']):
        inputs.update(_bytes(tensor))
    return dict(samples=samples.hexdigest(), inputs=inputs.hexdigest())


def _flat(parts: Any) -> Iterator:
    """What nested lists and dicts hold, such as those of views of images."""
    if isinstance(parts, Mapping):
        parts = list(parts.values())
    if not isinstance(parts, (list, tuple)):
        yield parts
        return
    for part in parts:
        yield from _flat(part)


def _bytes(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
