from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.registry import DATASETS
from mmfer.structures.expressions import class_key
from mmfer.utils.nesting import leaves, protocol_of
from mmfer.utils.progress import track
from mmfer.visualization.curves import check_picture, save_figure
from mmfer.visualization.embedding import FEWEST, METHODS, Embedding, draw_embedding, project, write_points

from .inputs import open_model, run_name

BATCH = 64


def draw_embeddings(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    method: str = 'tsne',
    max_images: int = 2000,
    seed: int = 0,
    split: str = 'test',
    device: str | torch.device | None = None,
    cfg_options: Mapping | None = None,
) -> Embedding:
    """Draw the features of a data set that the head of a model gets, in two dimensions. Also writes the points as CSV.

    Args:
        config, checkpoint, device, cfg_options: See :func:`mmfer.inference.inputs.open_model`.
        out: The picture: .png, .svg or .pdf.
        method: 'tsne', 'umap' or 'pca'.
        max_images: So many at most, drawn by ``seed``.
        seed: Of the draw and the projection.
        split: 'val' or 'test': which dataloader of the config.

    Raises:
        ValueError: If an argument is wrong, or a needed package is not there. Nothing is written then.
    """
    out = check_picture(out)
    if method not in METHODS:
        raise ValueError(f'method={method!r}: one of {", ".join(METHODS)}')
    if max_images < FEWEST or seed < 0:
        raise ValueError(f'max_images={max_images} must be at least {FEWEST}, seed={seed} at least 0')
    config, model = open_model(config, checkpoint, device, cfg_options)
    embedding = embed(model, _dataset(config, split, max_images), max_images, seed)
    projection = project(embedding.features, method, seed)
    save_figure(draw_embedding(embedding, projection, run_name(config, checkpoint)), out)
    write_points(out.with_suffix('.csv'), embedding, projection)
    return embedding


@torch.no_grad()
def embed(model: nn.Module, dataset, max_images: int = 2000, seed: int = 0) -> Embedding:
    """What the head of ``model`` reads of the samples of a data set.

    Args:
        model: A classifier in eval mode; its ``classes`` name its labels where they are known.
        dataset: With packed samples and labels.
        max_images: So many at most, drawn without replacement by ``seed``; they stay in their order.
        seed: Of the draw.
    """
    number = len(dataset)
    chosen = np.arange(number)
    if number > max_images:
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        chosen = np.sort(rng.permutation(number)[:max_images])
    theirs = tuple(map(class_key, dataset.metainfo.get('classes') or ()))
    own = tuple(map(class_key, getattr(model, 'classes', None) or theirs))
    features, rows = [], []
    batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    for batch in track(batches, len(batches), 'Embedding'):
        packed = [dataset[int(i)] for i in batch]
        data = dict(inputs=[each['inputs'] for each in packed], data_samples=[each['data_samples'] for each in packed])
        data = model.data_preprocessor(data)
        feats = model.extract_feat(data['inputs'])
        read = feats if isinstance(feats, torch.Tensor) else feats[-1]
        features.append(read.flatten(1).float().cpu().numpy())
        for i, sample in zip(batch, model.head.predict(feats, data['data_samples'])):
            label, score = int(sample.pred_label), sample.pred_score.float().cpu()
            image = str(sample.metainfo.get('img_path', f'sample {i}'))
            entropy = float(torch.special.entr(score).sum())
            rows.append((image, _name(theirs, int(sample.gt_label)), _name(own, label), float(score[label]), entropy))
    images, true, predicted, scores, uncertainty = zip(*rows)
    return Embedding(
        features=np.concatenate(features),
        images=images,
        true=true,
        predicted=predicted,
        score=np.array(scores),
        uncertainty=np.array(uncertainty),
        classes=tuple(dict.fromkeys((*own, *theirs, *true, *predicted))),
        num_classes=len(score),
        protocol=protocol_of(dataset),
    )


def _dataset(config: Config, split: str, max_images: int):
    name = f'{split}_dataloader'
    if split not in ('val', 'test') or not config.get(name):
        raise ValueError(f"split={split!r}: 'val' or 'test', and the config needs a {name}")
    settings = copy.deepcopy(config[name].dataset)
    for each in leaves(settings):
        if each.get('cache') and max_images < 1000:  # drawing a few faces is quicker than drawing and keeping all
            each['cache'] = False
    with DefaultScope.overwrite_default_scope('mmfer'):
        return DATASETS.build(settings)


def _name(classes: tuple[str, ...], label: int) -> str:
    return classes[label] if label < len(classes) else f'class {label}'
