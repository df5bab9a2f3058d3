"""The page itself, put together with gradio."""

from __future__ import annotations

import math
import os
import signal
import socket
import traceback
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from .answer import INTRO, cards_html, examples_html, stage_html, summary_html
from .examples import Example
from .look import Answer, PictureError, judge, look, look_at_example

TITLE = 'Facial expressions, and how sure the model is'
FONTS = (['system-ui', 'sans-serif'], ['ui-monospace', 'monospace'])  # of the system: nothing is fetched
KEPT = 600  # seconds after which uploaded files are deleted
FAULT = 'This picture could not be looked at: the terminal of the server says why.'
CHOOSE = """element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('click', { index: Number(button.value) });
});"""
GONE = 'The picture is no longer kept: choose it again.'
GIVEN = 'It starts at {:.2f} nats, which was fitted on a validation split or chosen by whoever started this page.'
NO_THRESHOLD = 'None was fitted for this model (`mmfer calibrate --coverage`), so it starts at its maximum.'


def build_page(inferencer: Any, examples: Sequence[Example] = (), max_waiting: int = 64) -> gr.Blocks:
    """The page, not served yet; arguments as of :func:`serve`."""
    most = math.ceil(100 * math.log(max(2, len(inferencer.classes)))) / 100
    start = most if inferencer.threshold is None else min(max(inferencer.threshold, 0.0), most)

    def show(answer: Answer | str | None, threshold: float) -> tuple:
        if answer is None or isinstance(answer, str):
            return answer, summary_html(answer or INTRO), '', ''
        answer = judge(answer, threshold)
        cards = cards_html(answer, threshold, inferencer.interval)
        return answer, summary_html(answer, threshold), stage_html(answer), cards

    def ask(picture: dict | None, one_face: bool, threshold: float) -> tuple:
        """The answer for an uploaded file, which comes unread: what is no picture gets a sentence as well."""
        if not picture:
            return 4 * (gr.skip(),)  # what is shown of an example stays when the box is ticked
        try:
            answer = look(inferencer, _read_upload(picture['path']), bool(one_face))
        except PictureError as error:
            answer = str(error)
        except FileNotFoundError:
            answer = GONE
        except Exception:
            traceback.print_exc()
            answer = FAULT
        return show(answer, float(threshold))

    def ask_example(threshold: float, chosen: gr.EventData) -> tuple:
        return None, *show(look_at_example(inferencer, examples[chosen.index]), threshold)

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, KEPT)) as page:
        model = f'{Path(str(inferencer.classifier.source)).name} · {len(inferencer.classes)} expressions'
        gr.HTML(f'<header class="mm-title"><h1>{TITLE}</h1><p>{escape(model)}</p></header>')
        answer = gr.State(time_to_live=3600)
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                picture = gr.Image(type='filepath', label='Picture', height=260, buttons=[], alt_text='Your picture')
                one_face = gr.Checkbox(
                    inferencer.detector is None,
                    label='The picture is one face, cut out already',
                    interactive=inferencer.detector is not None,
                )
                drawn = gr.HTML(examples_html(examples), js_on_load=CHOOSE, elem_id='mm-examples')
                stage = gr.HTML(elem_id='mm-stage')
            with gr.Column(scale=6, min_width=320):
                threshold = gr.Slider(
                    0,
                    most,
                    value=start,
                    step=0.01,
                    label='Abstain above this uncertainty (nats)',
                    info=f'0 answers nothing, {most:.2f} answers all. The network does not run again.',
                    buttons=['reset'],
                )
                summary = gr.HTML(
                    summary_html(INTRO), js_on_load="element.setAttribute('aria-live', 'polite')", elem_id='mm-summary'
                )
                cards = gr.HTML(elem_id='mm-cards')
        with gr.Accordion('What do these numbers mean?', open=False):
            gr.Markdown(_explanation(inferencer))

        shown = [answer, summary, stage, cards]
        once = dict(concurrency_id='network', concurrency_limit=1, show_progress_on=[summary])
        upload = dict(inputs=[picture, one_face, threshold], outputs=shown, preprocess=False, **once)
        picture.input(ask, **upload, api_name='look')
        one_face.input(ask, **upload, api_visibility='private')
        picture.clear(lambda: show(None, 0), None, shown, api_visibility='private')
        drawn.click(ask_example, threshold, [picture, *shown], api_visibility='private', **once)
        threshold.change(
            show, [answer, threshold], shown, api_name='judge', trigger_mode='always_last', show_progress='hidden'
        )
    return page.queue(max_size=max_waiting, default_concurrency_limit=4)


def serve(
    inferencer: Any,
    examples: Sequence[Example] = (),
    host: str = '127.0.0.1',
    port: int = 7860,
    share: bool = False,
    max_bytes: int = 16 * 10**6,
    max_waiting: int = 64,
    block: bool = True,
) -> gr.Blocks:
    """Serve the page.

    Args:
        inferencer: A :class:`mmfer.inference.ExpressionInferencer`.
        examples: Drawn faces to try.
        host: The address to listen on; '0.0.0.0' is all of them, for everybody in the network.
        port: The port; 0 takes a free one.
        share: Whether gradio makes a public address, through servers of others.
        max_bytes: Larger files are refused; of larger pictures, the ``max_pixels`` of the inferencer say so.
        max_waiting: Questions that may wait at a time; who comes later is asked to try again.
        block: Whether to stay until Ctrl-C.

    Returns:
        The page, whose ``local_url`` is its address and whose ``close()`` ends it.

    Raises:
        OSError: If the port or the address cannot be used.
    """
    port = _port(host, port)
    folder = TemporaryDirectory(prefix='mmfer-page-')  # of this user alone, and gone when the page ends
    os.environ.update(GRADIO_ANALYTICS_ENABLED='False', GRADIO_TEMP_DIR=folder.name)
    page = build_page(inferencer, examples, max_waiting)
    page.folder = folder
    page.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        max_file_size=max_bytes,
        theme=gr.themes.Base(primary_hue='blue', neutral_hue='gray', font=FONTS[0], font_mono=FONTS[1]).set(
            body_text_color_subdued='*neutral_500', block_info_text_color='*neutral_500'
        ),
        css=_read('page.css'),
        footer_links=[],
        run_history=False,  # which would keep what was asked in the browser
        enable_monitoring=False,
        state_session_capacity=200,
        quiet=True,
    )
    if block:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        shared = f', for everybody at {page.share_url}' if share else ''
        print(f'the page is at {page.local_url}{shared} (Ctrl-C ends it)', flush=True)
        page.block_thread()
    return page


def _port(host: str, port: int) -> int:
    """``port``, or a free one for 0, if it can be listened on."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as probe:
            return probe.getsockname()[1]
    except (OSError, OverflowError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise OSError(f'port {port} of {host} cannot be used ({reason}): choose another --port or --host') from None


def _read_upload(name: str) -> bytes:
    """The bytes of an uploaded file; no other is read, whatever path a browser sends: gradio itself lets some pass."""
    path, folder = Path(name).resolve(), Path(os.environ['GRADIO_TEMP_DIR']).resolve()
    if folder not in path.parents:
        raise FileNotFoundError(path)
    return path.read_bytes()


def _read(name: str) -> str:
    return (files('mmfer.web') / 'static' / name).read_text(encoding='utf-8')


def _explanation(inferencer: Any) -> str:
    count, threshold = len(inferencer.classes), inferencer.threshold
    text = NO_THRESHOLD if threshold is None else GIVEN.format(threshold)
    most = math.log(max(2, count))
    return _read('explanation.md').format(count=count, most=most, threshold=text, minutes=KEPT // 60)
