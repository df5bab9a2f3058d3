"""List the models of the index, or describe one: its config, size, results, and where mmfer looks for its weights.

mmfer models
mmfer models "*_raf*"
mmfer models poster_var_raf
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'name', nargs='?', default='*', metavar='NAME', help='a name, or a pattern such as "*_raf*" [all]'
    )


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import list_models, model_info
    from mmfer.utils.tables import render_table

    names = list_models(args.name)
    if names == [args.name]:
        info = model_info(args.name)
        results = info.pop('results')
        for key, value in info.items():
            print(f'{key:12s} {value}')
        for result in results:
            kind = 'measured' if result['measured'] else 'reported by others'
            figures = ', '.join(f'{name} {value}' for name, value in result['metrics'].items())
            print(f'{"result":12s} {result["dataset"]}: {figures} ({kind}: {result["source"]})')
        return
    if not names:
        model_info(args.name)  # names the nearest ones
    infos = [model_info(name) for name in names]
    rows = [
        (info['name'], f'{info["parameters"] / 1e6:.2f}', f'{info["flops"] / 1e9:.3g}', info['config'])
        for info in infos
    ]
    print(render_table(('model', 'M parameters', 'GFLOPs', 'config'), rows).rstrip('\n'))
