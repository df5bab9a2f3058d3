"""Draw the expressions of each person of a video over time.

    mmfer plot timeline results.parquet --out timeline.png
    mmfer plot timeline results.parquet --out pictures/ --thumbnails 8
    mmfer plot timeline results.parquet --source interview.mp4 --out interview.html

Each person is a strip. The height of each expression is its probability. Uncertain answers are paler, and spans in
which the model abstains are hatched. If --out is a folder, each video gets its own picture. All formats need pip
install 'mmfer[tables]'; a page (.html) also needs plotly.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('results', help='what mmfer predict --out wrote: .parquet, .csv, .jsonl, or a folder of shards')
    parser.add_argument('--out', required=True, metavar='PATH', help='.png, .svg, .pdf or .html; or a folder')
    parser.add_argument('--source', metavar='NAME', help='the video to draw [all]')
    parser.add_argument('--people', type=int, default=8, metavar='N', help='draw the N people who are seen longest [8]')
    parser.add_argument(
        '--thumbnails', type=int, default=0, metavar='N', help='faces from the video above each strip [none]'
    )


def run(args: argparse.Namespace) -> None:
    from mmfer.inference.timeline import plot_timelines

    for path in plot_timelines(args.results, args.out, args.source, args.people, args.thumbnails):
        print(path)
