"""Draw the expressions of each person of a video over time.

    mmfer plot timeline results.parquet --out timeline.png
    mmfer plot timeline results.parquet --out pictures/ --thumbnails 8
    mmfer plot timeline results.parquet --source interview.mp4 --out interview.html

A person is a strip, in which each expression is as high as its probability; uncertain answers are paler, and spans in
which the model abstains are hatched. With a folder, each video of the table has its picture. A page (.html) needs
plotly; all need pip install 'mmfer[tables]'.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('results', help='what mmfer predict --out wrote: .parquet, .csv, .jsonl, or a folder of shards')
    parser.add_argument('--out', required=True, metavar='PATH', help='.png, .svg, .pdf or .html; or a folder')
    parser.add_argument('--source', metavar='NAME', help='the video to draw [all]')
    parser.add_argument('--people', type=int, default=8, metavar='N', help='those who are seen longest [8]')
    parser.add_argument(
        '--thumbnails', type=int, default=0, metavar='N', help='faces above each strip, out of the video [none]'
    )


def run(args: argparse.Namespace) -> None:
    from mmfer.inference.timeline import plot_timelines

    for path in plot_timelines(args.results, args.out, args.source, args.people, args.thumbnails):
        print(path)
