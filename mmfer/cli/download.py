"""Download a file that mmfer needs and does not contain, such as the weights of the face detector YuNet.

The file is put into the cache folder, ~/.cache/mmfer or the folder that the environment variable MMFER_CACHE names. It
must have the pinned SHA-256. Without a network, install a copy of the file, which is checked as well:

    mmfer download yunet --from face_detection_yunet_2023mar.onnx
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('name', nargs='?', metavar='NAME', help='the file to download, see --list')
    parser.add_argument(
        '--list', action='store_true', help='list the files, where they come from and whether they are there'
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument('--from', dest='copy', metavar='FILE', help='install this copy, or the copy in this folder')
    where.add_argument('--url', help='another address of the same file')
    parser.add_argument('--force', action='store_true', help='replace a different file in its place')


def run(args: argparse.Namespace) -> None:
    if (args.name is None) != args.list:
        args.refuse('name a file, or --list')
    from mmfer.utils.download import FILES, fetch, is_there, known_file

    if args.list:
        for file in FILES.values():
            lines = (
                f'{file.name}: {file.about}',
                file.url,
                f'SHA-256 {file.sha256}',
                f'{file.path} ({"there" if is_there(file) else "not there"})',
            )
            print('\n  '.join(lines))
        return
    file = known_file(args.name)
    was_there = is_there(file)
    path = fetch(file, args.copy, args.url, args.force)
    print(f'{path}: {"was there already" if was_there else "written"}, SHA-256 as pinned')
