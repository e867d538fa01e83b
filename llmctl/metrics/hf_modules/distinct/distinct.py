"""`distinct` for `evaluate.load`, which wants one import on a line."""

from llmctl.metrics import hf_module


class Distinct(hf_module.EntryModule):
    """`compute(predictions=…)`, and the settings of the metric by their names."""

    entry_name = "distinct"
