"""`correlation` for `evaluate.load`, which wants one import on a line."""

from llmctl.metrics import hf_row_module


class Correlation(hf_row_module.RowModule):
    """`compute(predictions=…, references=…)`, and the settings of the metric by their names."""

    entry_name = "correlation"
