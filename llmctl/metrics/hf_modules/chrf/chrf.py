"""`chrf` for `evaluate.load`, which wants one import on a line."""

from llmctl.metrics import hf_module


class Chrf(hf_module.EntryModule):
    """`compute(predictions=…, references=…)`, and the settings of the metric by their names."""

    entry_name = "chrf"
