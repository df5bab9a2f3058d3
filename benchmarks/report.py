"""The results of the benchmarks as text for people."""

from __future__ import annotations

from collections.abc import Mapping

from mmfer.utils.tables import render_table

_COLUMNS = ('setting', 'ms a step', 'best', 'worst', 'images/s', 'times as fast', 'of matrix peak', 'of conv. peak')
_MORE = ('in turn', 'peak MB', 'first step s', 'compile')


def model_report(result: Mapping) -> str:
    """The result of :func:`model_steps.benchmark_model`."""
    host, gpu = result['machine'], result['device'].startswith('cuda')
    lines = [_work(result['mode'], result['config'], result['operations'])]
    if result['against']:
        lines.append(_work('against', result['against'], result['operations_against']))
    lines += [
        f'{host["device"]}, run on {result["device"]}, {host["threads"]} thread(s), {host["system"]}'
        + (f', cuDNN {result["cudnn"]}' if gpu else ''),
        ', '.join(f'{name} {version}' for name, version in result['versions'].items()) + f', git: {result["git"]}',
        f'TF32 is off but in settings named tf32; cudnn_benchmark={result["cudnn_benchmark"]}, '
        f'channels_last={result["channels_last"]}',
    ]
    scale, unit = (1e12, 'TFLOP/s') if gpu else (1e9, 'GFLOP/s')
    peaks = [(n, f'{p["matmul"] / scale:.0f}', f'{p["conv"] / scale:.0f}') for n, p in result['peaks'].items()]
    texts = ['\n'.join(lines), render_table((f'peak, {unit}', 'matrix product', '3x3 convolution'), peaks)]
    failed = []
    for size in dict.fromkeys(row['batch'] for row in result['rows']):
        found = [(_name(row, result), row) for row in result['rows'] if row['batch'] == size]
        title = f'batch {size}, median of {result["rounds"]} rounds'
        texts.append(render_table((*_COLUMNS, *_MORE), [_cells(row, name) for name, row in found], title=title))
        texts += [_parts_table(row, name) for name, row in found if row.get('parts')]
        failed += [f'{name}, batch {size}: {row["error"]}' for name, row in found if row['error']]
    return '\n\n'.join([*texts, *(['\n'.join(failed)] if failed else [])])


def _work(what: str, config: str, work: Mapping) -> str:
    return (
        f'{what} of {config}: {work["parameters"] / 1e6:.2f} M parameters, {work["trained_parameters"] / 1e6:.2f} M '
        f'trained, images {tuple(work["image"])}\noperations an image: {work["source"]}, {work["rule"]}'
        + (f'\nrandom weights; not read: {", ".join(work["not_read"])}' if work['not_read'] else '')
    )


def _name(row: Mapping, result: Mapping) -> str:
    return row['setting'] if result['against'] is None else f'{row["setting"]}, {row["config"]}'


def _cells(row: Mapping, name: str) -> tuple:
    if row['error'] is not None:
        return (name, 'failed', *[''] * 10)
    ms, found, in_turn = row['ms_per_step'], row['compiled'], row['of_conv_in_turn']
    return (
        name,
        *(f'{ms[key]:.2f}' for key in ('median', 'best', 'worst')),
        f'{row["images_per_second"]:.4g}',
        '' if row['ratio'] is None else f'{row["ratio"]:.2f}',
        *(f'{row["of_peak"][kernel]:.3f}' for kernel in ('matmul', 'conv')),
        '' if in_turn is None else f'{in_turn:.3f}',
        '' if row['memory_mb'] is None else f'{row["memory_mb"]:.0f}',
        f'{row["first_step_seconds"]:.1f}',
        '' if found is None else compile_text(found),
    )


def _parts_table(row: Mapping, name: str) -> str:
    whole = sum(part['forward_ms'] + part['backward_ms'] for part in row['parts'])
    rows = [
        (
            part['name'],
            f'{part["forward_ms"]:.2f}',
            f'{part["backward_ms"]:.2f}' if part['backward_ms'] else '',
            f'{100 * (part["forward_ms"] + part["backward_ms"]) / whole:.1f}',
        )
        for part in row['parts']
    ]
    header = (f'parts of {name}', 'ms forward', 'ms backward', '% of the step')
    return render_table(header, rows, title=f'batch {row["batch"]}')


def compile_text(found: Mapping[str, int]) -> str:
    """What torch.compile made of the model, in words."""
    text = f'{found["graphs"]} graph(s), {found["graph_breaks"]} break(s)'
    text += f', {found["fallbacks"]} frame(s) not compiled' if found['fallbacks'] else ''
    return text + (f', {found["graphs_later"]} recompiled while timed' if found['graphs_later'] else '')


def pipeline_report(result: Mapping) -> str:
    """The result of :func:`image_pipeline.benchmark_pipeline`."""
    names = dict(ours='mmfer', torchvision='torchvision + PIL')
    sides = [
        (name, f'{result[side]["ms_per_image"]:.3f}', f'{result[side]["images_per_second"]:.0f}')
        for side, name in names.items()
    ]
    title = f'{result["num"]} images, one core, median of {result["repeat"]} runs each'
    low, high = min(result['all_ratios']), max(result['all_ratios'])
    steps = [(step['name'], f'{step["ms_per_image"]:.3f}') for step in result['steps']]
    return (
        render_table(('', 'ms an image', 'images/s'), sides, title=title)
        + f'\nmmfer is {result["ratio"]:.2f} times as fast ({low:.2f} to {high:.2f})\n\n'
        + render_table(('step of mmfer', 'ms an image'), steps)
    )
