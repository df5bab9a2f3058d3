"""What the spread of a head is worth, measured on the ten votes of FER+: heads on the frozen features of one network.

    python benchmarks/votes.py features poster_var/ferplus_small CHECKPOINT --out RUNS/trunk_a.npz
    python benchmarks/votes.py fit RUNS/trunk_*.npz --heads linear vich vich_votes
    python benchmarks/votes.py report RUNS --part val                      # then, once, --part test

``features`` runs the training faces through the network, several times with the augmentation of the config, and the
validation and test faces as they are. ``fit`` trains heads on
them and predicts. ``report`` computes the figures and their tests over the seeds, and writes votes_<part>.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import DefaultScope
from scipy.optimize import minimize_scalar
from torch import nn
from torch.nn import functional as F

from mmfer import init_model, load_config
from mmfer.datasets import SynthFER
from mmfer.datasets.votes import VoteSubset
from mmfer.engine import FERRunner
from mmfer.engine.resume.seeding import seeded_dataloader
from mmfer.evaluation import VoteMetric
from mmfer.evaluation.functional import (
    calibration_bins,
    crossed,
    expected_calibration_error,
    fit_sets,
    holm,
    jensen_shannon,
    kl_divergence,
    top_label,
)
from mmfer.evaluation.functional.votes import dirichlet_multinomial_nll, joint_nll, uncertainty_parts
from mmfer.registry import DATASETS, MODELS
from mmfer.structures.label_sets import find_sets
from mmfer.structures.predictive import FIELDS as PREDICTIVE
from mmfer.structures.predictive import probability_samples, softmax
from mmfer.utils.files import write_text
from mmfer.utils.progress import track
from mmfer.visualization.curves import save_figure
from mmfer.visualization.vote_coverage import draw_vote_coverage

DROP = 0.3
VOTES = dict(type='VICHead', likelihood='votes', num_samples=32, kl_weight=0.001)
HEADS = {  # name: (head, what it learns from, dropout of its features)
    'linear_majority': (dict(type='LinearHead'), 'label', DROP),
    'linear': (dict(type='LinearHead'), 'share', DROP),
    'vich': (dict(type='VICHead', integrate=True), 'share', DROP),
    'vich_kl': (dict(type='VICHead', integrate=True, kl_weight=0.01), 'share', DROP),
    'vich_sampled': (dict(type='VICHead', integrate=True, num_samples=10), 'share', DROP),
    'heteroscedastic': (dict(type='HeteroscedasticHead', num_samples=32), 'share', DROP),
    'mc_dropout': (dict(type='MCDropoutHead', drop_rate=DROP), 'share', 0.0),
    'ensemble': (dict(type='EnsembleHead', feature_fraction=0.5), 'share', DROP),
    'vich_votes': (dict(VOTES), 'votes', DROP),
    'vich_votes_no_kl': (dict(VOTES, kl_weight=0.0), 'votes', DROP),
    'vich_votes_no_kl_narrow': (dict(VOTES, kl_weight=0.0), 'votes', DROP),  # begins with a deviation of exp(-2)
    'vich_votes_low_rank': (dict(VOTES, covariance='low_rank', rank=3), 'votes', DROP),
    'dirichlet_multinomial': (
        dict(type='EvidentialHead', likelihood='dirichlet_multinomial', evidence='exp'),
        'votes',
        DROP,
    ),
}
FIELDS = ('pred_score', 'aleatoric', 'epistemic', 'uncertainty', 'pred_mean', 'pred_std', 'pred_factor')
FIELDS += ('pred_concentration', 'pred_samples')


@torch.no_grad()
def features(config: str, checkpoint: str, data_root: str, views: int, out: Path) -> None:
    """Features, votes and labels of all parts, and what the network's own head predicts."""
    cfg = load_config(config)
    model = init_model(cfg, checkpoint)
    model.head.calibration = None
    found: dict[str, np.ndarray] = {}
    for part in ('train', 'val', 'test') if views else ('val', 'test'):
        loader = cfg[f'{part}_dataloader']
        with DefaultScope.overwrite_default_scope('mmfer'):
            if loader['dataset']['type'] is SynthFER:
                dataset = DATASETS.build(dict(loader['dataset'], split=part))
                sure = None
            else:
                settings = dict(loader['dataset'], data_root=data_root)
                dataset, majority = (DATASETS.build(dict(settings, rule=rule)) for rule in ('argmax', 'majority'))
                sure = {majority.get_data_info(i)['image_name'] for i in range(len(majority))}
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        found[f'{part}_votes'] = np.array([info['votes'] for info in infos])
        found[f'{part}_labels'] = np.array([info['gt_label'] for info in infos])
        found[f'{part}_majority'] = np.array([sure is None or info['image_name'] in sure for info in infos])
        if sure is None:
            found[f'{part}_truth'] = np.array([info['gt_score'] for info in infos])
        rows = []
        for view in range(views if part == 'train' else 1):
            fresh = dict(loader, sampler=dict(type='DefaultSampler', shuffle=False), drop_last=False)
            with DefaultScope.overwrite_default_scope('mmfer'):
                batches = FERRunner.build_dataloader(seeded_dataloader(dict(fresh, dataset=dataset), view))
            maps = []
            for batch in track(batches, len(batches), f'{part} {view}'):
                x = model.extract_feat(model.data_preprocessor(batch, False)['inputs'])
                maps.append(model.head.pre_logits(x))
            rows.append(torch.cat(maps))
        if part == 'train':
            found['train'] = torch.stack(rows).numpy()
            continue
        found[part] = rows[0].numpy()
        for name, value in model.head.predictive(rows[0]).items():
            found[f'own_{part}_{name}'] = value.numpy()
    np.savez(out, **found)


def fit(trunk: dict, name: str, seed: int, votes_used: int | None = None, **changes) -> tuple[nn.Module, float]:
    """A head of ``HEADS`` with ``changes``, trained on the features of a trunk; and the seconds it took."""
    settings, learns, drop = HEADS[name]
    torch.manual_seed(seed)
    sizes = dict(num_classes=trunk['train_votes'].shape[1], in_channels=trunk['train'].shape[2])
    head = MODELS.build(dict(settings, **sizes, **changes)).train()
    if name.endswith('narrow'):
        nn.init.constant_(head.fc_logvar.bias, -4.0)
    votes = trunk['train_votes']
    few = VoteSubset(None, votes_used, seed)
    votes = np.array([few(row, str(face)) for face, row in enumerate(votes)])
    target = torch.from_numpy(votes)
    if learns == 'label':
        target = target.argmax(1)
    elif learns == 'share':
        target = (target / target.sum(1, keepdim=True)).float()
    views = torch.from_numpy(trunk['train'])
    batch, rounds = 256, 4
    steps = rounds * len(views) * (len(target) // batch)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    start = time.time()
    for epoch in range(rounds * len(views)):
        order = torch.randperm(len(target))
        for chosen in order[: len(order) // batch * batch].split(batch):
            x = F.dropout(views[epoch % len(views), chosen], drop)
            loss = sum(value for key, value in head.losses(x, target[chosen]).items() if 'loss' in key)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return head.eval(), time.time() - start


@torch.no_grad()
def predict(head: nn.Module, trunk: dict) -> dict[str, np.ndarray]:
    """The fields of the head's predictions for validation and test faces."""
    found = {}
    for part in ('val', 'test'):
        outputs = head.predictive(torch.from_numpy(trunk[part]))
        found.update((f'{part}_{name}', outputs[name].numpy()) for name in FIELDS if name in outputs)
    return found


def scaled(fields: dict, factor: float) -> dict:
    """A prediction whose distribution over the probabilities is ``factor`` times as wide, about the same centre."""
    out = dict(fields)
    for name in ('pred_std', 'pred_factor'):
        if name in out:
            out[name] = out[name] * factor
    if 'pred_concentration' in out:
        out['pred_concentration'] = out['pred_concentration'] / factor**2
    if 'pred_samples' in out:
        logs = np.log(np.maximum(out['pred_samples'], 1e-12))
        centre = logs.mean(1, keepdims=True)
        out['pred_samples'] = softmax(centre + factor * (logs - centre))
    return out


def part_fields(fit_file: dict, part: str) -> dict[str, np.ndarray]:
    start = f'{part}_'
    return {name[len(start) :]: value for name, value in fit_file.items() if name.startswith(start)}


def likelihood(fields: dict, votes: np.ndarray, count: int = 128) -> np.ndarray:
    """Joint negative log-likelihood (N,) of the votes of each face, nats."""
    if 'pred_concentration' in fields:
        return dirichlet_multinomial_nll(fields['pred_concentration'], votes)
    kept = {name: value for name, value in fields.items() if name in PREDICTIVE}
    return np.concatenate(
        [
            joint_nll(
                probability_samples({name: value[i : i + 500] for name, value in kept.items()}), votes[i : i + 500]
            )
            for i in range(0, len(votes), 500)
        ]
    )


def best_scale(fields: dict, votes: np.ndarray) -> float:
    """The factor of :func:`scaled` under which the votes are most likely; 1 for a prediction without spread."""
    if not {'pred_concentration', 'pred_samples', 'pred_std'} & fields.keys():
        return 1.0
    found = minimize_scalar(
        lambda log: likelihood(scaled(fields, np.exp(log)), votes).mean(),
        bounds=(np.log(0.5), np.log(8)),
        method='bounded',
        options=dict(xatol=0.03),
    )
    return float(np.exp(found.x))


def figures(fields: dict, trunk: dict, part: str) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Figures of one head, and what tests need of each face."""
    votes, sure = trunk[f'{part}_votes'], trunk[f'{part}_majority']
    metric = VoteMetric(table=False)
    metric.dataset_meta = dict(classes=tuple(map(str, range(votes.shape[1]))))
    for i in range(0, len(votes), 500):
        rows = [{name: value[j] for name, value in fields.items()} for j in range(i, min(i + 500, len(votes)))]
        metric.process(None, [dict(row, votes=v) for row, v in zip(rows, votes[i:])])
    found = {name: float(value) for name, value in metric.compute_metrics(metric.results).items()}
    mean = np.array([row['mean'] for row in metric.results])
    right = fields['pred_score'].argmax(1) == trunk[f'{part}_labels']
    found['accuracy'] = 100 * float(right[sure].mean())
    found['width_of_z'] = float(fields['pred_std'].mean()) if 'pred_std' in fields else float('nan')
    found['js'] = float(jensen_shannon(votes, mean).mean())
    bins = calibration_bins(*top_label(fields['pred_score'][sure], trunk[f'{part}_labels'][sure]))
    found['ece_majority'] = 100 * float(expected_calibration_error(bins))
    if f'{part}_truth' in trunk:
        found.update(against_truth(fields, trunk[f'{part}_truth'].astype(np.float64)))
    faces = dict(joint_nll=np.array([row['joint'] for row in metric.results]), accuracy=100.0 * right[sure])
    return found, dict(faces, bounds=metric.bounds)


def against_truth(fields: dict, truth: np.ndarray) -> dict[str, float]:
    """Of drawn faces, whose true shares are known: how often the 90 % interval of a share holds it (%), and KL."""
    samples = probability_samples({name: value for name, value in fields.items() if name in PREDICTIVE})
    low, high = np.quantile(samples, (0.05, 0.95), axis=1)
    mean = samples.mean(1)
    held = (low <= truth) & (truth <= high)
    return dict(truth_held=100 * float(held[mean > 0.05].mean()), truth_kl=float(kl_divergence(truth, mean).mean()))


def sets(fields: dict, trunk: dict, part: str, splits: int = 20) -> dict[str, float]:
    """Coverage (%) and mean size of conformal sets at 90 %, over random halves of the faces of the majority rule."""
    sure = trunk[f'{part}_majority']
    scores, labels = fields['pred_score'][sure].astype(np.float64), trunk[f'{part}_labels'][sure]
    found: dict[str, list] = {}
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(labels))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        for method in ('aps', 'raps', 'lac'):
            chosen = find_sets(scores[second], fit_sets(scores[first], labels[first], 0.9, method))
            found.setdefault(f'{method}_coverage', []).append(
                100 * chosen[np.arange(len(second)), labels[second]].mean()
            )
            found.setdefault(f'{method}_size', []).append(chosen.sum(1).mean())
    return {name: float(np.mean(values)) for name, values in found.items()}


def members(trunks: list[dict], part: str) -> dict[str, np.ndarray]:
    """The whole networks of several trunks as one ensemble: what its prediction is made of."""
    samples = np.stack([trunk[f'own_{part}_pred_score'] for trunk in trunks], 1).astype(np.float64)
    total, aleatoric, epistemic, _ = uncertainty_parts(samples)
    parts = dict(uncertainty=total, aleatoric=aleatoric, epistemic=epistemic)
    return dict(pred_score=samples.mean(1), pred_samples=samples, **parts)


def compare(rows: dict[str, list[dict]], against: str) -> list[dict]:
    """Each head against another over the seeds: differences, intervals, and p-values by Holm over the heads."""
    found = []
    for name in ('joint_nll', 'accuracy'):
        tests = []
        for head, runs in rows.items():
            pairs = [(run, base) for run in runs for base in rows[against] if run['seed'] == base['seed']]
            if head == against or len(pairs) < 2:
                continue
            gaps = np.array([run['faces'][name] - base['faces'][name] for run, base in pairs])
            by_seed = gaps.mean(1)
            test = crossed(by_seed, gaps.mean(0) - by_seed.mean())
            tests.append(dict(head=head, figure=name, by_seed=by_seed.tolist(), **test._asdict()))
        for test, p in zip(tests, holm([test['p_value'] for test in tests])):
            found.append(dict(test, p_holm=float(p)))
    return found


def report(folder: Path, part: str, against: str) -> None:
    """Figures of all fits in ``folder`` on a part of the data, as votes_<part>.json and a printed table."""
    trunks = {path.stem: dict(np.load(path)) for path in sorted(folder.glob('trunk_*.npz'))}
    rows: dict[str, list[dict]] = {}

    def add(head: str, seed: tuple[str, int], trunk: dict, val: dict, own: dict) -> None:
        scale = best_scale(val, trunk['val_votes'])
        plain, faces = figures(own, trunk, part)
        wide = figures(scaled(own, scale), trunk, part)[0] if scale != 1 else plain
        after = {f'scaled_{key}': wide[key] for key in ('joint_nll', 'coverage_90', 'width_90', 'vote_nll')}
        run = dict(seed=seed, scale=scale, **plain, **after, **sets(own, trunk, part), faces=faces)
        rows.setdefault(head, []).append(run)
        print(
            f'{head:32s} {seed} scale {scale:.2f} acc {plain["accuracy"]:.2f} joint {plain["joint_nll"]:.3f}',
            flush=True,
        )

    for name, trunk in trunks.items():
        parts = {each: part_fields(trunk, f'own_{each}') for each in ('val', part)}
        add('network as trained', (name, 0), trunk, parts['val'], parts[part])
    for path in sorted(folder.glob('fit-*.npz')):
        _, head, trunk_name, seed = path.stem.split('-')
        content = dict(np.load(path))
        run = (trunk_name, int(seed))
        add(head, run, trunks[trunk_name], part_fields(content, 'val'), part_fields(content, part))
    if len(trunks) > 1:
        own = list(trunks.values())
        add(
            f'ensemble of {len(own)} networks',
            (' and '.join(trunks), 0),
            own[0],
            members(own, 'val'),
            members(own, part),
        )
    tests = compare(rows, against) if against in rows else []
    plain = {head: [{k: v for k, v in run.items() if k != 'faces'} for run in runs] for head, runs in rows.items()}
    content = dict(part=part, trunks=list(trunks), against=against, rows=plain, tests=tests)
    write_text(folder / f'votes_{part}.json', json.dumps(content, indent=1))
    write_text(folder / f'votes_{part}.md', tables(content))
    print(tables(content))
    bounds = {head: rows[head][0]['faces']['bounds'] for head in DRAWN if head in rows}
    if bounds:
        save_figure(draw_vote_coverage(bounds), folder / f'votes_{part}.png')


SHOWN = {  # figure: (column, digits)
    'accuracy': ('accuracy %', 2),
    'vote_nll': ('NLL a vote', 3),
    'joint_nll': ('joint NLL a face', 3),
    'coverage_90': ('90 % intervals hold %', 1),
    'width_90': ('their width', 2),
    'scale': ('scale by validation', 2),
    'scaled_joint_nll': ('joint NLL, scaled', 3),
    'scaled_coverage_90': ('90 % hold, scaled', 1),
    'width_of_z': ('width of z', 2),
}
MORE = {
    'interval_held': ('whole-vote intervals hold %', 1),
    'interval_width': ('their width', 2),
    'total_entropy_spearman': ('entropy and vote entropy', 2),
    'aleatoric_entropy_spearman': ('aleatoric', 2),
    'epistemic_entropy_spearman': ('epistemic', 2),
    'width_kl_spearman': ('width and KL(votes, prediction)', 2),
    'epistemic_kl_spearman': ('epistemic and KL', 2),
    'js': ('JS from the votes', 4),
    'top_error': ('calibration error to votes %', 1),
    'ece_majority': ('ECE to the majority %', 1),
    'truth_held': ('90 % intervals hold true shares %', 1),
    'truth_kl': ('KL from the true shares', 3),
    'lac_coverage': ('sets hold %', 1),
    'lac_size': ('classes in a set', 3),
}
DRAWN = ('vich', 'vich_kl', 'heteroscedastic', 'vich_votes')


def tables(content: dict) -> str:
    """The figures of a report as Markdown: means over the runs of each head, and their deviation where it tells."""
    lines = []
    for columns in (SHOWN, MORE):
        lines += ['| head | runs | ' + ' | '.join(name for name, _ in columns.values()) + ' |']
        lines += ['|---' * (len(columns) + 2) + '|']
        for head, runs in content['rows'].items():
            cells = []
            for key, (_, digits) in columns.items():
                values = np.array([run[key] for run in runs if run.get(key) is not None], float)
                cells.append('-' if not len(values) or np.isnan(values).any() else f'{values.mean():.{digits}f}')
            lines.append(f'| {head} | {len(runs)} | ' + ' | '.join(cells) + ' |')
        lines.append('')
    lines += [
        f'| head | difference to {content["against"]} | mean | 95 % interval | p (Holm) |',
        '|---|---|---|---|---|',
    ]
    for test in content['tests']:
        between = f'{test["low"]:+.3f} to {test["high"]:+.3f}'
        lines.append(f'| {test["head"]} | {test["figure"]} | {test["value"]:+.3f} | {between} | {test["p_holm"]:.2g} |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    step = commands.add_parser('features', help='features of the faces by a trained network')
    step.add_argument('config')
    step.add_argument('checkpoint')
    step.add_argument('--data', default='data/ferplus')
    step.add_argument(
        '--views', type=int, default=4, help='of each training face; 0: the own head alone is of interest'
    )
    step.add_argument('--out', type=Path, required=True, help='FOLDER/trunk_NAME.npz')
    step = commands.add_parser('fit', help='train heads on features')
    step.add_argument('trunks', type=Path, nargs='+')
    step.add_argument('--heads', nargs='+', default=list(HEADS), choices=HEADS)
    step.add_argument('--seeds', type=int, nargs='+', default=[0], help='of initial weights, batches and dropout [0]')
    step.add_argument('--votes-used', type=int, nargs='+', help='only so many of the votes of each training face')
    step = commands.add_parser('report', help='figures of all fits')
    step.add_argument('folder', type=Path)
    step.add_argument('--part', choices=('val', 'test'), default='val')
    step.add_argument('--against', default='vich', help='head that the others are tested against')
    args = parser.parse_args()
    if args.command == 'features':
        features(args.config, args.checkpoint, args.data, args.views, args.out)
    elif args.command == 'report':
        report(args.folder, args.part, args.against)
    else:
        jobs = itertools.product(args.trunks, args.seeds, args.heads, args.votes_used or [None])
        for path, seed, name, used in jobs:
            trunk = dict(np.load(path))
            head, seconds = fit(trunk, name, seed, used)
            full = name if used is None else f'{name}, {used} votes'
            np.savez(path.with_name(f'fit-{full}-{path.stem}-{seed}.npz'), **predict(head, trunk))
            print(f'{full} on {path.stem}, seed {seed}: {seconds:.0f} s', flush=True)


if __name__ == '__main__':
    main()
