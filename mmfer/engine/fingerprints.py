"""Short hashes by which data, weights and batches are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from mmfer.structures.run_record import DIGITS
from mmfer.utils.nesting import inside, protocol_of, walk


def _prefixes(dataset: Any) -> list[str]:
    """Folders of a data set, to be cut off the paths; the longest first."""
    found = set()
    for each in walk(dataset):
        folders = [getattr(each, 'data_root', None), *(getattr(each, 'data_prefix', None) or {}).values()]
        found.update(str(f).replace('\\', '/').rstrip('/') + '/' for f in folders if isinstance(f, str) and f)
    root = {f for f in found if not any(f != other and f.startswith(other) for other in found)}
    return sorted(root, key=len, reverse=True)


def list_hash(entries: Iterable[Mapping], prefixes: Sequence[str] = ()) -> str:
    """Hash of the names, labels and soft labels of samples, in their order.

    Args:
        entries: ``img_path``, ``gt_label`` and ``gt_score`` of each sample, as far as it has them.
        prefixes: What is cut off the paths, so that the hash does not depend on where the data lie.
    """
    digest = hashlib.sha256()
    prefixes = tuple(prefixes)
    for entry in entries:
        path = str(entry.get('img_path', '')).replace('\\', '/')
        if path.startswith(prefixes):
            path = path[len(next(prefix for prefix in prefixes if path.startswith(prefix))) :]
        digest.update(f'{path}\t{entry.get("gt_label")}\n'.encode())
        score = entry.get('gt_score')
        if score is not None:
            digest.update(','.join(f'{float(x):.5g}' for x in score).encode())
    return digest.hexdigest()[:DIGITS]


def dataset_fingerprint(dataset: Any) -> dict[str, Any]:
    """What a data set is: its protocol, number of samples, class counts, and the hash of its list.

    Args:
        dataset: A data set of mmfer, or one in wrappers of MMEngine (which the protocol names). Of such wrappers
            counts and hash are those of what is inside, each once.
    """
    parts = [] if hasattr(dataset, 'entry') else [dataset_fingerprint(part) for part in inside(dataset)]
    if parts:
        counts: dict[str, int] = {}
        for part in parts:
            for name, count in part['class_counts'].items():
                counts[name] = counts.get(name, 0) + count
        hashes = [part['list_hash'] for part in parts]
        joint = hashlib.sha256('\n'.join(hashes).encode()).hexdigest()[:DIGITS]
        return dict(
            protocol=protocol_of(dataset),
            samples=len(dataset),
            class_counts=counts,
            list_hash=joint if len(hashes) > 1 else hashes[0],
        )
    entry = getattr(dataset, 'entry', None) or getattr(dataset, 'get_data_info', None)
    counts = dataset.class_counts() if hasattr(dataset, 'class_counts') else {}
    number = len(dataset)
    listed = list_hash(map(entry, range(number)), _prefixes(dataset)) if entry else 'unknown'
    return dict(
        protocol=protocol_of(dataset),
        samples=number,
        class_counts={str(name): int(count) for name, count in counts.items()},
        list_hash=listed,
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
        path = '/'.join(str(sample.get('img_path', '')).replace('\\', '/').split('/')[-2:])
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
