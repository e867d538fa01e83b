"""`ter` for `evaluate.load`, which wants one import on a line."""

from llmctl.metrics import hf_module


class Ter(hf_module.EntryModule):
    """`compute(predictions=…, references=…)`, and the settings of the metric by their names."""

    entry_name = "ter"
