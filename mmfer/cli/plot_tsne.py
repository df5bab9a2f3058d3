"""Draw the features of a data set that the head of a model gets, in two dimensions: t-SNE, UMAP or PCA.

One panel shows the true classes and the wrong answers, the other one the uncertainty. The points are also written to a
CSV file beside the picture. The same seed gives the same picture.

    mmfer plot tsne CONFIG CKPT --out embedding.png

Needs scikit-learn; --method umap needs umap-learn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmfer.cli import options_of
from mmfer.options import add_cfg_options, add_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted, or the name of a shipped model')
    parser.add_argument('--out', required=True, metavar='FILE', help='picture: .png, .svg or .pdf')
    parser.add_argument(
        '--method', default='tsne', choices=['tsne', 'umap', 'pca'], help='the projection to two dimensions [tsne]'
    )
    parser.add_argument(
        '--max-images', type=int, default=2000, metavar='N', help='maximum of images, a random sample [2000]'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the sample and the projection [0]')
    parser.add_argument('--split', default='test', choices=['val', 'test'], help='which part of the data [test]')
    add_device(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    from mmfer.inference.embed import draw_embeddings

    embedding = draw_embeddings(**options_of(args))
    print(f'{len(embedding.images)} images, {100 * embedding.right.mean():.2f} % right')
    print(f'{args.out}\n{Path(args.out).with_suffix(".csv")}')
