"""The page itself, put together with gradio."""

from __future__ import annotations

import base64
import importlib.util
import math
import os
import socket
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from .answer import cards_html, stage_html, summary_html
from .documents import Documents
from .examples import Example
from .gate import Gate
from .looker import Looker

TITLE = 'Facial expressions, and how sure the model is'
FONTS = (['system-ui', 'sans-serif'], ['ui-monospace', 'monospace'])  # of the system: nothing is fetched
FITTED = 'That of this model, {value:.2f} nats, was fitted on a validation split.'
GIVEN = 'It starts at {value:.2f} nats, as whoever started this page chose.'
NO_THRESHOLD = 'None was fitted for this model (`tools/analysis/calibrate.py --coverage`), so it starts at its maximum.'


def check_gradio() -> None:
    """Raise ValueError with the remedy where gradio is missing; keep it from calling home."""
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')
    if importlib.util.find_spec('gradio') is None:
        raise ValueError('the page needs gradio: python -m pip install -r requirements/demo.txt')


def build_page(looker: Looker, has_docs: bool = True) -> Any:
    """The ``gradio.Blocks`` of the page; nothing is served yet.

    Args:
        looker: Who looks at the pictures.
        has_docs: Whether there is a documentation to link to.
    """
    check_gradio()
    import gradio as gr

    inferencer = looker.inferencer
    most = math.ceil(100 * math.log(max(2, len(inferencer.classes)))) / 100
    start = most if inferencer.threshold is None else min(max(inferencer.threshold, 0.0), most)

    def judge(token: str, threshold: float) -> tuple[str, str, str]:
        token = token if isinstance(token, str) else ''
        answer = looker.judge(token, threshold)
        shown = summary_html(answer, threshold, bool(token))
        return shown, stage_html(answer, token), cards_html(answer, threshold, inferencer.interval, token)

    plain = dict(js_on_load=None, apply_default_css=False)
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        model = f'{Path(str(inferencer.classifier.source)).name} · {len(inferencer.classes)} expressions'
        title = f'<header class="mm-title"><h1>{TITLE}</h1><p>{escape(model)}</p></header>'
        gr.HTML(title, elem_id='mm-title', **plain)
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                picker = gr.HTML(
                    '',
                    html_template=_picker(looker.examples, looker),
                    js_on_load=_read('picker.js'),
                    apply_default_css=False,
                    elem_id='mm-picker',
                )
                stage = gr.HTML('', elem_id='mm-stage', **plain)
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
                summary = gr.HTML(summary_html(None, start, False), elem_id='mm-summary', **plain)
                cards = gr.HTML('', elem_id='mm-cards', **plain)
        with gr.Accordion('What do these numbers mean?', open=False):
            gr.Markdown(_explanation(inferencer))
            if has_docs:
                link = '<a href="docs/app.md" target="_blank" rel="noopener">Documentation of this page</a>'
                gr.HTML(f'<p class="mm-docs">{link}</p>', **plain)
        io = dict(inputs=[picker, threshold], outputs=[summary, stage, cards], concurrency_limit=4)
        picker.answered(judge, **io, api_name='judge', show_progress='hidden', trigger_mode='always_last')
        threshold.change(judge, **io, api_visibility='private', show_progress='hidden', trigger_mode='always_last')
    return page.queue(max_size=64)


def serve(
    looker: Looker,
    host: str = '127.0.0.1',
    port: int = 7860,
    share: bool = False,
    docs: str | Path | None = None,
    max_waiting: int = 16,
    block: bool = True,
) -> Any:
    """Serve the page.

    Args:
        looker: Who looks at the pictures.
        host: The address to listen on; '0.0.0.0' is all of them, for everybody in the network.
        port: The port; 0 takes a free one.
        share: Whether gradio makes a public address, through servers of others.
        docs: Folder of the documentation.
        max_waiting: Pictures that may wait at a time.
        block: Whether to stay until Ctrl-C.

    Returns:
        The page, whose ``local_url`` is its address and whose ``close()`` ends it.

    Raises:
        ValueError: If gradio is missing.
        OSError: If the port or the address cannot be used.
    """
    port = _port(host, port)
    documents = Documents(docs)
    page = build_page(looker, 'app.md' in documents.files)
    import gradio as gr
    from starlette.middleware import Middleware

    gate = Middleware(Gate, looker=looker, documents=documents, max_waiting=max_waiting)
    page.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        app_kwargs=dict(middleware=[gate]),
        theme=gr.themes.Base(primary_hue='blue', neutral_hue='gray', font=FONTS[0], font_mono=FONTS[1]).set(
            body_text_color_subdued='*neutral_500', block_info_text_color='*neutral_500'
        ),
        css=_read('page.css'),
        footer_links=[],
        run_history=False,  # which would keep what was asked in the browser
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        show_error=False,
        state_session_capacity=200,
        quiet=True,
    )
    if block:
        shared = f', for everybody at {page.share_url}' if share else ''
        print(f'the page is at {page.local_url}{shared} (Ctrl-C ends it)', flush=True)
        page.block_thread()
    return page


def _port(host: str, port: int) -> int:
    """``port``, or a free one for 0, if it can be listened on."""
    with socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise OSError(f'port {port} of {host} cannot be used ({reason}): choose another --port or --host') from None
        return probe.getsockname()[1]


def _read(name: str) -> str:
    return (files('mmfer.web') / 'static' / name).read_text(encoding='utf-8')


def _picker(examples: Sequence[Example], looker: Looker) -> str:
    """The upper left of the page: how a picture gets in."""
    buttons = ''.join(
        f'<button type="button" data-example="{i}" title="{escape(example.name)}">'
        f'<img src="data:image/png;base64,{base64.b64encode(example.data).decode()}" alt="">'
        f'<span>{escape(example.name)}</span></button>'
        for i, example in enumerate(examples)
    )
    strip = f'<fieldset><legend>or a drawn face of SynthFER</legend><div>{buttons}</div></fieldset>' if buttons else ''
    fixed = 'checked disabled' if looker.needs_one_face else ''
    return _read('picker.html').format(max_bytes=looker.limits.max_bytes, fixed=fixed, examples=strip)


def _explanation(inferencer: Any) -> str:
    count, value = len(inferencer.classes), inferencer.threshold
    fitted = (inferencer.classifier.abstention or {}).get('threshold')
    text = NO_THRESHOLD if value is None else (FITTED if value == fitted else GIVEN).format(value=value)
    return _read('explanation.md').format(count=count, most=math.log(max(2, count)), threshold=text)
