"""The results of the benchmarks of models as text for people."""

from __future__ import annotations

from collections.abc import Mapping

from mmfer.utils.tables import render_table

_COLUMNS = ('setting', 'ms a step', 'best', 'worst', 'images/s', 'times as fast', 'of matrix peak', 'of conv. peak')
_MORE = ('in turn', 'peak MB', 'first step s', 'compile')


def benchmark_report(result: Mapping) -> str:
    """The result of :func:`mmfer.benchmark.model.benchmark_model`."""
    host, work = result['machine'], result['operations']
    lines = [
        f'{result["mode"]} of {result["config"]}: {_size(work)}',
        f'{host["device"]}, run on {result["device"]}, {host["threads"]} thread(s), {host["system"]}'
        + (f', driver {result["driver"]}, cuDNN {result["cudnn"]}' if result['driver'] else ''),
        ', '.join(f'{name} {version}' for name, version in result['versions'].items()) + f', git: {result["git"]}',
        f'TF32 is off but in settings named tf32; cudnn_benchmark={result["cudnn_benchmark"]}, '
        f'channels_last={result["channels_last"]}',
        f'operations an image: {work["source"]}, {work["rule"]}',
        *result['notes'],
    ]
    if result['against']:
        other = result['operations_against']
        lines[1:1] = [f'against {result["against"]}: {_size(other)}; {other["source"]}, {other["rule"]}']
    scale, unit = (1e12, 'TFLOP/s') if result['device'].startswith('cuda') else (1e9, 'GFLOP/s')
    peaks = [(n, f'{p["matmul"] / scale:.0f}', f'{p["conv"] / scale:.0f}') for n, p in result['peaks'].items()]
    tables = [render_table((f'peak, {unit}', 'matrix product', '3x3 convolution'), peaks)]
    for size in dict.fromkeys(row['batch'] for row in result['rows']):
        found = [row for row in result['rows'] if row['batch'] == size]
        title = f'batch {size}, median of {result["rounds"]} rounds'
        rows = [_cells(row, _name(row, result)) for row in found]
        tables.append(render_table((*_COLUMNS, *_MORE), rows, title=title))
        tables += [_parts_table(row, _name(row, result)) for row in found if row.get('parts')]
    failed = [f'{_name(row, result)}, batch {row["batch"]}: {row["error"]}' for row in result['rows'] if row['error']]
    return '\n\n'.join(['\n'.join(lines), *tables, *(['\n'.join(failed)] if failed else [])])


def _size(work: Mapping) -> str:
    return (
        f'{work["parameters"] / 1e6:.2f} M parameters, {work["trained_parameters"] / 1e6:.2f} M trained, images '
        f'{tuple(work["image"])}'
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
