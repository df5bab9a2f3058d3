"""Check the data sets of a config: counts, unreadable, tiny and blank images, duplicates and labels that disagree.

The command reads every image of the train, val and test data sets (data sets with equal settings once). It reports:

- the number of samples of each class beside the published numbers, and the image sizes
- images that cannot be read or are truncated, tiny images (shorter side below --min-size) and blank images (one colour)
- duplicates within and across the data sets, and those whose labels disagree: exact ones (same pixels), near ones
  (re-encoded, scaled, slightly shifted or brightened) and changed ones

--leave-out writes the list of training images that have a copy in another split.

Near duplicates have 64-bit perceptual hashes that differ in at most --distance bits. Their 32x32 grey thumbnails,
normalised to mean 0 and standard deviation 1, differ by at most 0.3 (root mean square). Images with next to no detail
are compared by their pixels alone. Changed duplicates are searched across data sets: copies that were mirrored, rotated
by up to 12 degrees, cropped by up to 15 %, brightened or marked. Such leaks make a test look better than it is. If
samples have a face box, only the face in the box is compared.

exit code: 0 nothing found, 3 problems found, 1 the data sets cannot be read (missing files, bad lists), 2 wrong
arguments
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmfer.options import add_cfg_options

LIMIT, BAR = 10, 24
PROBLEMS_FOUND = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', type=Path, metavar='REPORT.json', help='write the report with all file names')
    parser.add_argument(
        '--splits', nargs='+', choices=['train', 'val', 'test'], help='which parts to check [all that the config has]'
    )
    parser.add_argument(
        '--distance', type=int, default=3, help='bits in which hashes of near duplicates may differ, 0 to 12 [3]'
    )
    parser.add_argument(
        '--min-size', type=int, default=20, help='images with a shorter side below this many pixels are tiny [20]'
    )
    parser.add_argument('--workers', type=int, help='threads that decode images [number of CPUs]')
    parser.add_argument(
        '--no-changed', action='store_true', help='do not search for mirrored, rotated and cropped copies'
    )
    parser.add_argument(
        '--leave-out',
        type=Path,
        metavar='NAMES.txt',
        help='write the names of the training images that have a copy in another split, one name on each line',
    )
    add_cfg_options(parser)


def show_data_set(part: dict) -> None:
    from mmfer.utils.tables import render_table

    def cells(row: dict) -> list:
        published = '-' if row['published'] is None else f'{row["published"]:,}'
        return [row['name'], f'{row["images"]:,}', published, f'{row["difference"]:+,}' if row['difference'] else '']

    most = max(row['images'] for row in part['classes'])
    total = part['total']['images']
    rows = []
    for row in part['classes']:
        bar = '█' * round(BAR * row['images'] / most)
        rows.append([*cells(row), f'{row["images"] / total:.1%}', f'{bar:·<{BAR}}'])
    rows.append([*cells(part['total']), '', ''])
    header = ('class', 'images', 'published', 'difference', 'share', '')
    print(render_table(header, rows, title=f'{", ".join(part["splits"])}: {part["protocol"]}'))
    for axis, size in part['sizes'].items():
        print(f'{axis}: {size["min"]} to {size["max"]} pixels, median {size["median"]:g}')
    for kind in ('unreadable', 'tiny', 'blank'):
        files = part[kind]
        print(f'{kind} images: {len(files) or "none"}')
        for entry in files[:LIMIT]:
            print('  ' + (entry.get('reason') or entry['file']))
        if len(files) > LIMIT:
            print(f'  ... ({len(files) - LIMIT} more)')
    print()


def show_duplicates(duplicates: dict) -> None:
    from mmfer.utils.tables import render_table

    header = ('images of', 'copy in', 'images', 'exact', 'near', 'changed', 'copy of another label')
    rows = [
        [', '.join(row['images_of']), ', '.join(row['copy_in'])]
        + [row[name] for name in ('images', 'exact', 'near', 'changed', 'other_label')]
        for row in duplicates['counts']
    ]
    groups = duplicates['groups']
    print(render_table(header, rows, title=f'images with duplicates ({len(groups)} groups)'))
    chosen = [group for group in groups if group['labels_disagree']]
    chosen.sort(key=lambda group: not group['across_splits'])
    print(f'groups with labels that disagree: {len(chosen) or "none"}')
    for group in chosen[:LIMIT]:
        one_each = {image['label']: image['file'] for image in reversed(group['images'])}
        names = ', '.join(f'{file} ({label})' for label, file in reversed(one_each.items()))
        more = len(group['images']) - len(one_each)
        print(f'  {group["kind"]}: {names}{f", ... ({more} more)" if more else ""}')
    if len(chosen) > LIMIT:
        print(f'  ... ({len(chosen) - LIMIT} more)')
    print()


def run(args: argparse.Namespace) -> int:
    from mmfer.apis import load_config
    from mmfer.datasets.verify import training_images_with_copies, verify
    from mmfer.utils.files import write_text
    from mmfer.utils.perceptual_hash import MAX_DISTANCE

    if not 0 <= args.distance <= MAX_DISTANCE:
        raise ValueError(f'--distance {args.distance} must be in 0..{MAX_DISTANCE}')
    if args.min_size < 0 or (args.workers is not None and args.workers < 1):
        raise ValueError(f'--min-size {args.min_size} must not be negative, --workers {args.workers} at least 1')
    if args.out is not None and (args.out.suffix != '.json' or not args.out.absolute().parent.is_dir()):
        raise ValueError(f'--out {args.out} must end in .json and lie in a folder that exists')
    if args.leave_out is not None and not args.leave_out.absolute().parent.is_dir():
        raise ValueError(f'--leave-out {args.leave_out} must lie in a folder that exists')
    config = load_config(args.config, args.cfg_options)
    report = verify(config, args.splits, args.distance, args.min_size, args.workers, not args.no_changed)
    for part in report['data_sets']:
        show_data_set(part)
    show_duplicates(report['duplicates'])
    print('\n'.join(report['problems'] or ['No problems found.']))
    if args.leave_out is not None:
        names = training_images_with_copies(report)
        write_text(args.leave_out, ''.join(f'{name}\n' for name in names))
        print(f'{len(names)} training images that have a copy in another split: {args.leave_out}')
    if args.out is not None:
        write_text(args.out, json.dumps(dict(config=args.config, **report), indent=1))
        print(f'Report with all file names: {args.out}')
    return PROBLEMS_FOUND if report['problems'] else 0
