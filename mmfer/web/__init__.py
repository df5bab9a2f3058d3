"""The page to try a model in a browser. Only :mod:`mmfer.web.page` needs gradio."""
