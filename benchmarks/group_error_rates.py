"""How often a gap between groups of faces is claimed where there is none, and how often one is found that is there.

    python benchmarks/group_error_rates.py            # the table of docs/groups.md, half an hour on one core
    python benchmarks/group_error_rates.py --data-sets 40

Simulated faces have the classes of RAF-DB's test part, of which some are harder; a model's logits are noise plus
evidence for the true class. ``gap`` is taken from the evidence for the faces of one group. ``other expressions``: the
first group smiles three times as often, the last shows rare expressions four times as often, and nothing else differs.
"""

from __future__ import annotations

import argparse

import numpy as np

from mmfer.evaluation import functional as F

SHARES = np.array([680, 1185, 478, 329, 74, 160, 162]) / 3068  # neutral, happiness, sadness, surprise, fear, ...
EVIDENCE = np.array([3.0, 4.2, 2.8, 3.0, 2.0, 2.2, 2.5])
TWO, FIVE = (1500, 400), (900, 400, 200, 80, 30)
# sizes of the groups, figure, gap, the group that has it, other expressions, within classes
CELLS = [
    *((sizes, name, 0.0, 0, False, False) for sizes in (TWO, FIVE) for name in ('accuracy', 'nll', 'selective_risk')),
    *((sizes, 'accuracy', 0.0, 0, True, True) for sizes in (TWO, FIVE)),
    (TWO, 'accuracy', 0.0, 0, True, False),
    *((TWO, 'accuracy', gap, 1, False, False) for gap in (0.5, 1.0)),
    *((FIVE, 'accuracy', gap, 2, False, False) for gap in (0.5, 1.0)),
    (TWO, 'accuracy', 1.0, 1, True, True),
]


def simulate(cell: tuple, number: int, permutations: int = 99) -> tuple[float, float, float]:
    """Share (%) of data sets with p at most 0.05, the mean largest gap, and its mean by chance."""
    sizes, name, gap, where, tilted, stratify = cell
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shares = np.tile(SHARES, (len(sizes), 1))
    if tilted:
        shares[0, 1] *= 3
        shares[-1, 4:] *= 4
    edges = np.cumsum(shares / shares.sum(1, keepdims=True), axis=1)[groups]
    gaps = []
    for seed in range(number):
        rng = np.random.default_rng(seed)
        labels = np.minimum((rng.random(len(groups))[:, None] > edges).sum(1), 6)
        logits = rng.normal(size=(len(groups), 7))
        evidence = EVIDENCE[labels] + 0.8 * rng.normal(size=len(groups)) - gap * (groups == where)
        logits[np.arange(len(groups)), labels] += evidence
        scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        figure = F.group_figure(name, scores, labels)
        options = dict(bootstrap=0, permutations=permutations, seed=10**6 + seed)
        gaps.append(F.compare_groups(figure, groups.astype(str), labels, stratify, **options).gap)
    claimed = 100 * np.mean([gap.p_value <= 0.05 for gap in gaps])
    return float(claimed), float(np.mean([gap.value for gap in gaps])), float(np.mean([gap.expected for gap in gaps]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-sets', type=int, default=400, metavar='N', help='simulated for each line [400]')
    args = parser.parse_args()
    print('| groups of | figure | gap (logit) | other expressions | test | p <= .05 % | largest gap | by chance |')
    print('|---|---|---|---|---|---|---|---|')
    for cell in CELLS:
        sizes, name, gap, where, tilted, stratify = cell
        claimed, value, expected = simulate(cell, args.data_sets)
        told = f'{gap:g} in that of {sizes[where]}' if gap else 'none'
        row = [
            ', '.join(map(str, sizes)),
            name,
            told,
            'yes' if tilted else 'no',
            'within classes' if stratify else 'plain',
        ]
        print('| ' + ' | '.join([*row, f'{claimed:.1f}', f'{value:.2f}', f'{expected:.2f}']) + ' |', flush=True)


if __name__ == '__main__':
    main()
