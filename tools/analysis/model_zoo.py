#!/usr/bin/env python
"""Write docs/model_zoo.md and model-index.yml, which are made of configs/*/metafile.yml.

--metadata first counts parameters, operations and input size of all models anew and writes them into the metafiles.
--check writes nothing, and ends with 1 where a file is not what it would write.
"""

import argparse
import sys


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--metadata', action='store_true', help='bring the numbers in the metafiles up to date first')
    parser.add_argument('--check', action='store_true', help='only say which files are out of date')
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmfer.apis.model_zoo import fresh_metadata, index_text, zoo_page
    from mmfer.apis.models import configs_folder
    from mmfer.utils.files import write_text

    root, stale = configs_folder().parent, []

    def update(path: str, text: str) -> None:
        file = root / path
        if not file.is_file() or file.read_text(encoding='utf-8') != text:
            stale.append(path)
            if not args.check:
                write_text(file, text)

    if args.metadata:
        from mmfer.apis.flops import count_flops

        for file in sorted(root.glob('configs/*/metafile.yml')):
            text = fresh_metadata(file.read_text(encoding='utf-8'), lambda config: count_flops(root / config))
            update(file.relative_to(root).as_posix(), text)
    update('model-index.yml', index_text())
    update('docs/model_zoo.md', zoo_page())
    verb = 'out of date' if args.check else 'written'
    print(f'{verb}: {", ".join(stale)}' if stale else 'all up to date')
    return int(args.check and bool(stale))


def main() -> int:
    args = parse_args()
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
