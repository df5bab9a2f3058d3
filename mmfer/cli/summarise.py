"""Summarise results by video and person: seconds seen, shares of expressions, episodes, transitions.

    mmfer summarise results.parquet
    mmfer summarise results.parquet --out summary --threshold 0.6 --min-length 1

The first command prints a table. The second also writes people.csv, episodes.csv and transitions.csv into the folder
summary. Photos are summarised by folder. This needs pandas: pip install 'mmfer[tables]'.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('results', help='what mmfer predict --out wrote: .parquet, .csv, .jsonl, or a folder of shards')
    parser.add_argument('--out', metavar='FOLDER', help='folder for the tables as CSV')
    parser.add_argument(
        '--threshold', type=float, default=0.5, metavar='P', help='lowest probability within an episode [0.5]'
    )
    parser.add_argument(
        '--min-length', type=float, default=0.5, metavar='S', help='shortest length of an episode in seconds [0.5]'
    )
    parser.add_argument(
        '--gap',
        type=float,
        default=0.25,
        metavar='S',
        help='seconds below the threshold, or unseen, that do not end an episode [0.25]',
    )


def run(args: argparse.Namespace) -> None:
    from mmfer.inference.summary import render, summarise, write_summary
    from mmfer.inference.table import class_names, read_results
    from mmfer.utils.tables import printable

    table = read_results(args.results)
    summary = summarise(table, args.threshold, args.min_length, args.gap)
    print(render(summary, class_names(table)))
    print(f'{len(summary.episodes)} episodes, {summary.transitions.times.sum()} transitions')
    errors = table[table.error.notna()]
    for text in errors.error.head(3):
        print(f'note: {printable(text)}')
    if len(errors) > 3:
        print(f'and {len(errors) - 3} more errors')
    for path in write_summary(summary, args.out) if args.out else ():
        print(f'written to {path}')
