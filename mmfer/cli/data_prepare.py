"""Unpack a data set, as its authors distribute it, into the folder that mmfer reads, and count its samples.

RAW_DIR is a folder with the downloaded archives (.zip, .tar, .tar.gz, .tgz, ...; also zips within them) or with the
extracted files, or it is one archive. It is only read. Archives are unpacked beside OUT_DIR. Extracted files are linked
into OUT_DIR (absolute symbolic links) unless --copy is given. OUT_DIR appears when all samples are there and counted: a
run that was stopped leaves nothing behind, and the next one starts again.

    mmfer data prepare raf_db ~/Downloads/raf data/raf_db
"""

from __future__ import annotations

import argparse

from mmfer.cli import options_of

DATASETS = (
    *('affectnet', 'caers', 'ckplus', 'expw', 'fer2013', 'ferplus'),
    *('jaffe', 'kdef', 'raf_compound', 'raf_db', 'sfew'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('dataset', choices=DATASETS, metavar='DATASET', help=', '.join(DATASETS))
    parser.add_argument('raw_dir', metavar='RAW_DIR', help='what was downloaded: a folder, or one archive')
    parser.add_argument('out_dir', metavar='OUT_DIR', help='folder to write: new or empty')
    parser.add_argument('--copy', action='store_true', help='copy files of an extracted tree instead of linking them')
    parser.add_argument('--dry-run', action='store_true', help='say what would be done, and write nothing')
    parser.add_argument('--workers', type=int, default=2, help='threads that write new images [2]')
    crops = parser.add_argument_group('crops of AffectNet (layout of 2017)')
    crops.add_argument('--margin', type=float, help='margin on each side, as a fraction of the longer side [0]')
    crops.add_argument('--max-size', type=int, help='maximum of the longer side of the crops, in pixels [256]')
    crops.add_argument(
        '--skip-unreadable', action='store_true', default=None, help='leave out faces that cannot be cropped'
    )


def run(args: argparse.Namespace) -> None:
    from mmfer.datasets.prepare import prepare

    prepare(**options_of(args))
