"""Runs of a comparison, made up: predictions.json and finished.json as trainings and tests leave them."""

import json

import numpy as np

CLASSES = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')


def make_images(num=60, classes=CLASSES, seed=0):
    """True distributions (N, K) and labels (N,)."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(len(classes), 0.25), num)
    return truth, np.array([rng.choice(len(classes), p=row) for row in truth])


def make_predictions(truth, labels, noise=1.0, sharpness=1.0, seed=0, deviation=None):
    """Records of predictions: noisy versions of the truth.

    ``deviation`` is 'good' (follows the ambiguity), 'noise' (does not) or 'constant'; None gives none.
    """
    rng = np.random.default_rng(seed)
    logits = sharpness * (np.log(truth + 0.02) + noise * rng.normal(size=truth.shape))
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    entropy = -(scores * np.log(scores)).sum(1)
    ambiguity = -(truth * np.log(truth + 1e-12)).sum(1, keepdims=True)
    spread = dict(good=ambiguity + 0.3 * rng.random(truth.shape), noise=rng.random(truth.shape))
    records = []
    for i, label in enumerate(labels):
        record = dict(img_path=f'test/{i:04d}.png', gt_label=int(label), pred_label=int(scores[i].argmax()))
        record.update(pred_score=scores[i].tolist(), uncertainty=float(entropy[i]))
        if truth is not None:
            record['gt_distribution'] = truth[i].tolist()
        if deviation:
            std = spread[deviation][i] if deviation in spread else np.ones(truth.shape[1])
            share = 0.2 + 0.1 * float(np.tanh(std.mean()))
            record.update(pred_mean=logits[i].tolist(), pred_std=std.tolist())
            record.update(aleatoric=(1 - share) * float(entropy[i]), epistemic=share * float(entropy[i]))
        records.append(record)
    return records


def write_run(folder, records, seed=0, classes=CLASSES, finished=True, name='predictions', **header):
    """Write the files of one run into ``folder``; ``name`` is that of its predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    content = dict(config='configs/poster_var/synth.py', checkpoint=str(folder / 'epoch_7.pth'), seed=seed, metrics={})
    content.update(protocol='SynthFER test', class_rule=None, classes=list(classes))
    content.update(header, predictions=records)
    (folder / f'{name}.json').write_text(json.dumps(content))
    if finished:
        facts = dict(last={}, best={}, settings={}, seed=seed, epochs=7, iterations=70, config_hash='abc')
        (folder / 'finished.json').write_text(json.dumps(facts))
    return folder


def write_methods(root, methods, seeds=(0, 1), num=60):
    """``root/<method>/seed_<s>`` for methods -> options of make_predictions."""
    truth, labels = make_images(num)
    for i, (method, options) in enumerate(methods.items()):
        for seed in seeds:
            records = make_predictions(truth, labels, seed=100 * i + seed, **options)
            write_run(root / method / f'seed_{seed}', records, seed)
    return root


def runs_in(*dirs):
    """The runs below folders, under the first condition."""
    from mmfer.experiments import load_table

    return next(iter(load_table(dirs).values()))
