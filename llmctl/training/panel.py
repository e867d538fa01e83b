"""What a person sees while training: a live panel on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from llmctl import console
from llmctl.training.state import Plan, TrainState

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_PLAIN_SECONDS = 10.0
_SCORES_SHOWN = 2


class Panel:
    """Shows the latest metrics, the share done and the time left."""

    def __init__(self, plan: Plan, title: str) -> None:
        self._plan, self._title = plan, title
        self._live: Live | None = None
        self._last_line = 0.0
        self._shown: dict[str, Any] = {}
        self._state = TrainState()
        self._first: tuple[float, int] = (0.0, 0)

    def begin(self, state: TrainState) -> None:
        self._state = state
        self._first = (state.seconds, state.step)
        if console.is_terminal() and console.is_main_process() and not console.is_quiet():
            from rich.live import Live

            self._live = Live(
                self._render(), console=console.stderr(), refresh_per_second=4, transient=True
            )
            self._live.start()

    def end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, line: dict[str, Any], state: TrainState) -> None:
        """Take in one line of metrics; redraw, or print it when one is due."""
        self._shown.update(line)
        self._state = state
        if self._live is not None:
            self._live.update(self._render())
            return
        now = time.monotonic()
        if "validation_loss" in line:
            console.note(self._validation_line(line))
        elif now - self._last_line >= _PLAIN_SECONDS or state.finished:
            self._last_line = now
            console.note(self._plain_line(line))

    def _plain_line(self, line: dict[str, Any]) -> str:
        return (
            f"step {self._progress()}  loss {line['loss']:.4f}  "
            f"lr {line['learning_rate']:.2e}  {line['tokens_per_second']:,.0f} tokens/s  "
            f"mfu {100 * line['mfu']:.0f}%  {self._left()}"
        )

    def _validation_line(self, line: dict[str, Any]) -> str:
        best = "  (best so far)" if line["best"] else f"  (best {self._best()})"
        parts = "".join(
            f"  {name} {value:.4f}" for name, value in line.get("validation_losses", {}).items()
        )
        parts += "".join(f"  {name} {value:.4f}" for name, value in self._scores(line).items())
        if "validation_perplexity" in line:
            parts = f"  perplexity {console.number(line['validation_perplexity'])}"
        return (
            f"step {self._progress()}  validation loss {line['validation_loss']:.4f}{parts}  "
            f"epoch {line['epoch']:.2f}{best}"
        )

    def _progress(self) -> str:
        total = self._state.total_steps
        return f"{self._state.step:,}/{total:,}" if total else f"{self._state.step:,}"

    def _left(self) -> str:
        share = self._share()
        seconds, step = self._first
        spent, done = self._state.seconds - seconds, self._state.step - step
        if self._plan.hours is not None and self._state.total_steps is None:
            return f"{console.duration(self._plan.hours * 3600 - self._state.seconds)} left"
        if share is None or done == 0 or self._state.total_steps is None:
            return "time left not known yet"
        left = (self._state.total_steps - self._state.step) * spent / done
        return f"{console.duration(max(left, 0))} left"

    def _share(self) -> float | None:
        if self._state.total_steps:
            return self._state.step / self._state.total_steps
        if self._plan.hours:
            return min(1.0, self._state.seconds / 3600 / self._plan.hours)
        return None

    def _render(self) -> RenderableType:
        from rich.panel import Panel as RichPanel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 3))
        grid.add_row(*(Text(name, style="dim") for name in ("loss", "validation", "best")))
        grid.add_row(self._number("loss"), self._number("validation_loss"), self._best())
        grid.add_row(
            *(Text(name, style="dim") for name in ("learning rate", "tokens/s", "share of peak"))
        )
        grid.add_row(self._number("learning_rate"), self._rate(), self._mfu())
        share = self._share()
        bar = ProgressBar(total=1.0, completed=share or 0.0, pulse=share is None)
        epoch = f"epoch {self._shown.get('epoch', 0):.2f}"
        below = Text(f"step {self._progress()}   {epoch}   {self._left()}")
        whole = Table.grid(expand=True)
        for row in (grid, Text(), bar, below):
            whole.add_row(row)
        return RichPanel(whole, title=Text(self._title), width=66)

    def _number(self, key: str) -> str:
        value = self._shown.get(key)
        if value is None:
            return "-"
        return f"{value:.2e}" if key == "learning_rate" else f"{value:.4f}"

    def _best(self) -> str:
        state = self._state
        if state.best_loss is None:
            return "-"
        value = state.best_scores.get(self._plan.metric, state.best_loss)
        return f"{value:.4f} @ {state.best_step:,}"

    def _scores(self, line: dict[str, Any]) -> dict[str, float]:
        """The first few scores of a validation, the one that chooses before the others."""
        scores: dict[str, float] = line.get("scores", {})
        names = sorted(scores, key=lambda name: name != self._plan.metric)
        return {name: scores[name] for name in names[:_SCORES_SHOWN]}

    def _rate(self) -> str:
        value = self._shown.get("tokens_per_second")
        return "-" if value is None else f"{value:,.0f}"

    def _mfu(self) -> str:
        value = self._shown.get("mfu")
        return "-" if value is None else f"{100 * value:.0f} %"
