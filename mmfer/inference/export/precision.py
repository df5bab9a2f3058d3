"""The steps from an exported file in single precision to one in lower precision that answers as well."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmfer.inference.onnx import OnnxClassifier
from mmfer.utils.nesting import protocol_of
from mmfer.utils.tables import render_table

from .quantise import Quantiser, optimise, to_float16
from .validation import Answers, answer, calibration_images, differences, open_faces

MAX_DROP = 0.3


def lower_precision(
    file: Path,
    precision: str,
    config: Config,
    data: str | Path | Config | None = None,
    max_drop: float = MAX_DROP,
    threads: int | None = None,
) -> dict[str, Any]:
    """Put a file in single precision into another one, in place, and compare both on validation images.

    In 8 bits, where the accuracy falls by more than ``max_drop``, parts of the network go back to float32 one by one
    until it does not: first those whose 8 bits alone change the probabilities of calibration images most.

    Args:
        file: With mmfer's description.
        precision: 'float16' or 'int8'.
        config: Of the model.
        data: Config whose training part has the calibration images (256, spread evenly, without augmentation), and
            whose validation part both are compared on; None is ``config``.
        max_drop: Percentage points by which the accuracy may fall.
        threads: Of onnxruntime.

    Returns:
        The comparison as it stands in the description: ``data`` and ``images`` that it was made on, ``accuracy`` (%) of
        both, what :func:`mmfer.inference.export.validation.differences` gives, ``max_drop``, and of int8
        ``calibration_data``, ``calibration_images``, ``parts`` (how many) and ``float_parts`` (names).

    Raises:
        ValueError: If the accuracy falls by more than ``max_drop``, in 8 bits also with half of the parts in float32.
            The file is then as it was.
    """
    faces = open_faces(config, data, 'val')
    about: dict[str, Any] = dict(data=protocol_of(faces), images=len(faces), max_drop=max_drop)
    more: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, 'float32.onnx'), Path(folder, f'{precision}.onnx')
        optimise(file, source)
        exact = answer(file, faces, threads)
        if precision == 'float16':
            to_float16(source, out)
            found = answer(out, faces, threads)
            enough = exact.accuracy - found.accuracy <= max_drop
        else:
            training = open_faces(config, data, 'train')
            quantiser = Quantiser(source, calibration_images(OnnxClassifier(file), training))
            found, kept, enough = _to_int8(quantiser, out, faces, exact, max_drop, threads)
            more.update(calibration_data=protocol_of(training), calibration_images=len(quantiser.images))
            more.update(parts=len(quantiser.parts), float_parts=kept)
        if not enough:
            parts = f' with {len(more["float_parts"])} of {more["parts"]} parts in float32' if more else ''
            raise ValueError(
                f'{precision} is not written: the accuracy on {about["data"]} falls from {exact.accuracy:.2f} to '
                f'{found.accuracy:.2f} %{parts}, and {max_drop:g} points are allowed. Allow more (--max-drop), or '
                'choose another --precision'
            )
        file.write_bytes(out.read_bytes())
    accuracy = {'float32': exact.accuracy, precision: found.accuracy}
    return dict(about, accuracy=accuracy, **differences(exact, found), **more)


def _to_int8(
    quantiser: Quantiser, out: Path, faces: Any, exact: Answers, max_drop: float, threads: int | None
) -> tuple[Answers, list[str], bool]:
    """Write the file in 8 bits: its answers, the parts that stay in float32, and whether it is accurate enough."""
    order: list[str] = []
    for count in range(len(quantiser.parts) // 2 + 1):
        if count == 1:
            order = quantiser.rank(out)
        kept = order[:count]
        quantiser.write(out, [part for part in quantiser.parts if part not in kept])
        found = answer(out, faces, threads)
        if exact.accuracy - found.accuracy <= max_drop:
            return found, kept, True
    return found, kept, False


def describe_comparison(precision: str, comparison: Mapping[str, Any]) -> str:
    """A comparison as it is printed."""
    accuracy = comparison['accuracy']
    rows = [
        (name, f'{comparison[name]["largest"]:.2g}', f'{comparison[name]["mean"]:.2g}')
        for name in ('probs', 'uncertainty', 'bounds')
        if name in comparison
    ]
    table = render_table(('', 'largest', 'mean'), rows, title=f'difference of {precision} to float32')
    lines = [
        table,
        f'accuracy {accuracy[precision]:.2f} %, of float32 {accuracy["float32"]:.2f} %; another answer for '
        f'{comparison["changed"]:.2f} % of the {comparison["images"]} images ({comparison["data"]})',
    ]
    if precision == 'int8':
        kept = comparison['float_parts']
        lines.append(
            f'ranges by {comparison["calibration_images"]} images ({comparison["calibration_data"]}); in float32 '
            f'stay the head and {len(kept)} of {comparison["parts"]} parts{": " if kept else ""}{", ".join(kept)}'
        )
    return '\n'.join(lines)
