"""Calibration of a trained model on images that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.datasets.config_classes import config_classes
from mmfer.engine import FERRunner
from mmfer.engine.resume.seeding import seeded_dataloader
from mmfer.evaluation import functional
from mmfer.inference.calibration.data import (
    choose_data,
    list_images,
    refuse_test_images,
    refuse_training_images,
    to_model_labels,
)
from mmfer.inference.calibration.scaling import fit_temperature, fit_vector
from mmfer.inference.calibration.sets import describe_sets, fit_label_sets, votes_by_name
from mmfer.models.build import init_model
from mmfer.models.heads.base_head import entropy as head_entropy
from mmfer.models.heads.calibration import PREFIX, Calibration, drop_calibration
from mmfer.registry import DATASETS
from mmfer.utils.checkpoint import age, load_checkpoint, write_checkpoint
from mmfer.utils.config_options import load_config
from mmfer.utils.nesting import protocol_of
from mmfer.utils.progress import track
from mmfer.utils.state_dict import find_state_dict
from mmfer.utils.tables import render_table
from mmfer.weights import checkpoint_file

METHODS = ('temperature', 'vector', 'none')
FEW = 20  # images, below which a fit is little more than chance


@dataclass
class CalibrationResult:
    """The result of :func:`calibrate`; ``str()`` gives a report to print.

    Attributes:
        path: The calibrated checkpoint.
        record: ``meta['calibration']`` of the checkpoint: the fit, its data, and ``nll`` (nats), ``brier``, ``ece`` and
            ``accuracy`` (%) on the images of the fit, ``before`` and ``after`` it. ``rest`` has the same for the other
            part of the data, or is None.
        abstention: ``meta['abstention']`` of the checkpoint, or None: ``threshold`` (nats) of the uncertainty above
            which the model abstains, with the resulting ``coverage`` and ``accuracy`` (%).
        sets: ``meta['sets']`` of the checkpoint, or None: see :func:`mmfer.evaluation.functional.fit_sets`. ``held`` is
            the share of labels or votes in the sets, and ``size`` their mean number of classes.
        classes: Names of the classes, or their numbers.
        notes: Remarks for the user.
    """

    path: Path
    record: dict[str, Any]
    classes: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    abstention: dict[str, Any] | None = None
    sets: dict[str, Any] | None = None

    def __str__(self) -> str:
        record, rows = self.record, []
        for name, part in (('images of the fit', record), ('other images', record['rest'])):
            for state in ('before', 'after') if part else ():
                values = part[state]
                rows.append(
                    (f'{name}, {state}', part['samples'], f'{values["nll"]:.4f}', f'{values["brier"]:.4f}')
                    + (f'{values["ece"]:.2f}', f'{values["accuracy"]:.2f}')
                )
        table = render_table(('', 'images', 'NLL (nats)', 'Brier', 'ECE %', 'accuracy %'), rows)
        lines = [f'Fitted on {record["protocol"]}', '', table.rstrip('\n'), '']
        if record['method'] == 'none':
            lines.append('the probabilities stay as they are')
        elif record['temperature']:
            word = 'over' if record['temperature'] > 1 else 'under'
            lines.append(f'temperature {record["temperature"]:.4g}: the model was {word}confident')
        else:
            pairs = zip(self.classes, record['weight'], record['bias'])
            rows = [(name, f'{weight:.3f}', f'{bias:+.3f}') for name, weight, bias in pairs]
            lines += [render_table(('class', 'weight', 'bias'), rows).rstrip('\n'), '']
        if self.abstention:
            told = '; '.join(
                f'of {name} {100 * part["coverage"]:.1f} % are answered, {part["accuracy"]:.2f} % of them rightly'
                for name, part in (('the images of the fit', self.abstention), ('the others', self.abstention['rest']))
                if part
            )
            wanted = f'{self.abstention["threshold"]:.4f} nats ({self.abstention["wanted"]})'
            lines.append(f'no answer above an uncertainty of {wanted}: {told}')
        if self.sets:
            lines.append(describe_sets(self.sets))
        return '\n'.join([*lines, *(f'note: {note}' for note in self.notes), f'wrote {self.path}'])


def calibrate(
    config: str | Path | Config,
    checkpoint: str | Path,
    method: str = 'temperature',
    data: str | Path | Config | None = None,
    out: str | Path | None = None,
    holdout: float | None = None,
    seed: int = 0,
    allow_test: bool = False,
    coverage: float | None = None,
    max_error: float | None = None,
    sets: float | None = None,
    set_method: str = 'aps',
    by_class: bool = False,
    cfg_options: Mapping | None = None,
    device: str | torch.device | None = None,
) -> CalibrationResult:
    """Fit the probabilities of a trained model to a validation split, and write a checkpoint that has them.

    ``mmfer.models.heads.calibration`` describes what is fitted. The new checkpoint is used like any other. A
    calibration that the checkpoint has already is replaced, unless ``method`` is 'none'. Soft labels are not used.

    Args:
        config: Config file or object of the model.
        checkpoint: A checkpoint that mmfer trained or converted, or the name of a shipped model.
        method: ``'temperature'`` (one parameter, which changes no predicted class), ``'vector'`` (two parameters for
            each class), or ``'none'``, which does not change the probabilities.
        data: Config with the data, by default ``config`` itself: its ``val_dataloader``, or else its
            ``test_dataloader``. The images are loaded as in ``data`` and preprocessed as in ``config``; classes are
            matched by name.
        out: The new file, by default ``<checkpoint>_calibrated.pth`` beside the old one, of a shipped model in
            the present folder.
        holdout: Share of each class, in (0, 1), of the ``test_dataloader`` of ``data``. These images are drawn by
            ``seed`` and used for the fit; the report has the metrics of the rest.
        seed: Of the draw.
        allow_test: Also fit if the images are the test images of ``config``.
        coverage: Share of the images of the fit, in (0, 1], that the model answers: the images with the lowest
            uncertainty. The threshold is saved in the checkpoint, and ``ExpressionInferencer`` abstains above it.
        max_error: Instead of ``coverage``, an upper bound in (0, 1) for the error rate of the answers to new images
            like these, with 95 % confidence: see ``mmfer.evaluation.functional.threshold_at_risk``.
        sets: Share in (0, 1) of the labels of new images like these that the prediction sets contain;
            ``ExpressionInferencer`` returns the sets. See ``mmfer.evaluation.functional.fit_sets``.
        set_method: Of the sets: ``'aps'``, ``'raps'``, ``'lac'``, or ``'votes'``, whose sets contain this share of the
            votes.
        by_class: The sets contain this share of the labels of each class.
        cfg_options: Dotted names to values, set in ``config``.
        device: By default a GPU if there is one.

    Raises:
        FileNotFoundError: If config, checkpoint or data do not exist.
        ValueError: If the images of the fit are those of the test or the training, if their labels do not allow the
            fit, or if an argument is wrong. Then nothing is written.
    """
    if method not in METHODS:
        raise ValueError(f'method={method!r}: {" or ".join(map(repr, METHODS))}')
    if holdout is not None and not 0 < holdout < 1:
        raise ValueError(f'holdout={holdout}: a share of the test images, above 0 and below 1')
    if coverage is not None and max_error is not None:
        raise ValueError(f'coverage={coverage} and max_error={max_error}: one of both makes the threshold')
    if method == 'none' and coverage is None and max_error is None and sets is None:
        raise ValueError("method='none', and neither coverage nor max_error nor sets: there is nothing to fit")
    if sets is None and (by_class or set_method != 'aps'):
        raise ValueError('set_method and by_class are of sets: say which share they are to hold (--sets 0.9)')
    if sets is not None:
        functional.images_needed(sets)  # refuses what is no share
    config = load_config(config, cfg_options)
    content = load_checkpoint(checkpoint_file(checkpoint))
    out = _check_out(Path(checkpoint), None if out is None else Path(out))
    loader = choose_data(config, data, holdout is not None)
    ids = list_images(loader['dataset'])
    notes: list[str] = []
    refuse_training_images(config, ids, notes)
    if holdout is None:
        refuse_test_images(config, ids, allow_test, notes)
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(loader['dataset'])
    if len(ids) != len(dataset):
        raise ValueError(f'the data repeat their images ({type(dataset).__name__}): name the data set itself')

    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model = init_model(config, checkpoint, device)
    if not hasattr(model.head, 'calibration'):
        raise ValueError(f'{type(model.head).__name__} cannot be calibrated: a head of mmfer (BaseHead) is needed')
    if method != 'none':
        model.head.calibration = None
    classes = model.classes or config_classes(config)
    seed_of_data = (config.get('randomness') or {}).get('seed') or 0
    scores, target, votes = _predict(model, dict(loader, dataset=dataset), seed_of_data)
    theirs = dataset.metainfo.get('classes')
    target = to_model_labels(target, theirs, classes, scores.shape[1])
    fit = _draw(target, holdout, seed) if holdout is not None else np.ones(len(target), bool)

    names = tuple(map(str, classes or range(scores.shape[1])))
    if method == 'none':
        calibration, calibrated = model.head.calibration or Calibration(scores.shape[1]), scores
    else:
        calibration = _fit(method, scores[fit], target[fit], names, notes)
        with torch.no_grad():
            calibrated = calibration.scores(torch.from_numpy(scores)).numpy()
    abstention = _abstention(calibrated, target, fit, coverage, max_error)
    found = None
    if sets is not None:
        votes = None if votes is None else votes_by_name(votes, theirs, classes, scores.shape[1])
        found = fit_label_sets(calibrated, target, votes, fit, names, sets, set_method, by_class)
    protocol = protocol_of(dataset)
    if holdout is not None:
        protocol += f': {fit.sum()} of {len(fit)} images, drawn from each class with seed {seed}'
        notes.append('a test on all of these images includes those of the fit; fair are the figures of the others')
    record = dict(
        method=method,
        temperature=calibration.temperature if method == 'temperature' else None,
        weight=calibration.weight.tolist(),
        bias=calibration.bias.tolist(),
        ridge=1.0 if method == 'vector' else None,
        protocol=protocol,
        samples=int(fit.sum()),
        holdout=holdout,
        seed=seed if holdout is not None else None,
        allow_test=allow_test,
        source=Path(checkpoint).name,
        before=_figures(scores[fit], target[fit]),
        after=_figures(calibrated[fit], target[fit]),
        rest=None,
    )
    if not fit.all():
        rest = (_figures(part[~fit], target[~fit]) for part in (scores, calibrated))
        record['rest'] = dict(samples=int((~fit).sum()), before=next(rest), after=next(rest))

    state, meta = find_state_dict(content), dict(content.get('meta') or {})
    kept = (meta.get('calibration') or {}) if method == 'none' else {}
    images = np.union1d(ids[fit], kept.get('images', ids[:0]))
    meta['calibration'] = dict(kept or record, images=torch.from_numpy(images))
    if method != 'none':
        drop_calibration(state)
        state.update({f'{PREFIX}{name}': tensor for name, tensor in calibration.state_dict().items()})
        for name in ('abstention', 'sets'):
            meta.pop(name, None)  # of other probabilities
    for name, record_of in dict(abstention=abstention, sets=found).items():
        if record_of:
            meta[name] = dict(record_of, protocol=protocol)
    write_checkpoint(dict(meta=meta, state_dict=state), out)
    return CalibrationResult(out, record, names, notes, abstention, found)


def _check_out(checkpoint: Path, out: Path | None) -> Path:
    if out is None:
        stem = checkpoint.stem
        out = checkpoint.with_name(f'{stem}.pth' if stem.endswith('_calibrated') else f'{stem}_calibrated.pth')
    if out.suffix != '.pth':
        raise ValueError(f'out={out}: name a file that ends in .pth')
    if age(out):
        raise ValueError(f'out={out}: a training looks for its own checkpoints under this name, choose another')
    if not out.absolute().parent.is_dir():
        raise ValueError(f'out={out}: there is no such folder')
    with suppress(ValueError):
        if not out.exists() or (load_checkpoint(out).get('meta') or {}).get('calibration'):
            return out
    raise FileExistsError(f'{out} exists and is no calibrated checkpoint: choose another name, or remove it')


@torch.no_grad()
def _predict(model: nn.Module, loader: dict, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Scores (N, K), float32 as they come, labels (N,) of the data set, and votes where all its samples have them."""
    with DefaultScope.overwrite_default_scope('mmfer'):
        batches = FERRunner.build_dataloader(seeded_dataloader(loader, seed))
    scores, labels, votes = [], [], []
    for batch in track(batches, len(batches), 'Predicting'):
        for sample in model.test_step(batch):
            scores.append(sample.pred_score.float().cpu())
            labels.append(int(sample.gt_label))
            if 'votes' in sample:
                votes.append(np.asarray(sample.votes))
    has_votes = len(votes) == len(labels)
    return torch.stack(scores).numpy(), np.array(labels), np.stack(votes) if has_votes else None


def _draw(target: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which images are for the fit, bool (N,): ``share`` of each class."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    fit = np.zeros(len(target), bool)
    for label in np.unique(target):
        images = np.flatnonzero(target == label)
        fit[rng.permutation(images)[: round(share * len(images))]] = True
    if not fit.any() or fit.all():
        raise ValueError(f'holdout={share} of {len(target)} images leaves none for one of the parts')
    return fit


def _fit(method: str, scores: np.ndarray, target: np.ndarray, names: tuple, notes: list[str]) -> Calibration:
    calibration = Calibration(scores.shape[1])
    absent = [name for i, name in enumerate(names) if not (target == i).any()]
    if len(target) < FEW:
        notes.append(f'{len(target)} images are very few for a fit')
    if absent and method == 'vector':
        raise ValueError(
            f'vector scaling needs images of all classes, and there are none of {", ".join(absent)}: '
            'use --method temperature, or other data'
        )
    if absent:
        notes.append(f'there are no images of {", ".join(absent)}')
    if method == 'temperature':
        calibration.weight.fill_(1 / fit_temperature(scores, target))
        return calibration
    weight, bias = fit_vector(scores, target)
    calibration.weight.copy_(torch.from_numpy(weight))
    calibration.bias.copy_(torch.from_numpy(bias))
    if (weight <= 0).any():
        odd = ', '.join(name for name, w in zip(names, weight) if w <= 0)
        notes.append(f'the score of {odd} counts against it (weight not above 0): too few or unusual images')
    return calibration


def _figures(scores: np.ndarray, target: np.ndarray) -> dict[str, float]:
    bins = functional.calibration_bins(*functional.top_label(scores, target))
    return dict(
        nll=float(functional.nll(scores, target)),
        brier=float(functional.brier(scores, target)),
        ece=100 * float(functional.expected_calibration_error(bins)),
        accuracy=100 * float((scores.argmax(1) == target).mean()),
    )


def _abstention(
    scores: np.ndarray, target: np.ndarray, fit: np.ndarray, coverage: float | None, max_error: float | None
) -> dict[str, Any] | None:
    uncertainty = head_entropy(torch.from_numpy(scores)).numpy()
    right = scores.argmax(1) == target
    if coverage is not None:
        threshold = functional.threshold_at_coverage(uncertainty[fit], coverage)
        wanted = f'{100 * coverage:g} % of the images answered'
    elif max_error is not None:
        threshold = functional.threshold_at_risk(uncertainty[fit], ~right[fit], max_error)
        wanted = f'at most {100 * max_error:g} % of the answers wrong, with 95 % confidence'
    else:
        return None

    def figures(part: np.ndarray) -> dict[str, float]:
        answered = part & (uncertainty <= threshold)
        accuracy = 100 * float(right[answered].mean()) if answered.any() else float('nan')
        return dict(coverage=float(answered.sum() / part.sum()), accuracy=accuracy)

    rest = None if fit.all() else figures(~fit)
    return dict(threshold=threshold, wanted=wanted, samples=int(fit.sum()), **figures(fit), rest=rest)
