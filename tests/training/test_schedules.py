"""Learning-rate factors by hand."""

from __future__ import annotations

import pytest

from llmctl.training.schedules import decay_start, rate_factor, warmup_steps
from llmctl.training.settings import Constant, Cosine, Linear, WarmupStableDecay


def factors(schedule: object, total: int, decay_from: int | None = None) -> list[float]:
    return [rate_factor(schedule, step, total, decay_from) for step in range(total)]  # type: ignore[arg-type]


def test_cosine_warms_up_then_falls_to_its_final_share() -> None:
    found = factors(Cosine(warmup_steps=2, final_share=0.1), 6)

    # 0.1 + 0.9 (1 + cos(pi x)) / 2 at x = 0, 1/4, 1/2, 3/4
    expected = [0.5, 1.0, 1.0, 0.1 + 0.9 * 0.8535534, 0.55, 0.1 + 0.9 * 0.1464466]
    assert found == pytest.approx(expected, rel=1e-6)
    assert rate_factor(Cosine(warmup_steps=2, final_share=0.1), 6, 6) == pytest.approx(0.1)


def test_linear_falls_in_a_straight_line() -> None:
    assert factors(Linear(name="linear", warmup_steps=0, final_share=0.0), 4) == pytest.approx(
        [1.0, 0.75, 0.5, 0.25]
    )


def test_constant_stays_and_needs_no_total() -> None:
    schedule = Constant(name="constant", warmup_steps=4)

    assert factors(schedule, 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert rate_factor(schedule, 10**9, None) == 1.0


def test_wsd_is_stable_until_its_decay_begins() -> None:
    schedule = WarmupStableDecay(name="wsd", warmup_steps=2, decay_share=0.4)

    assert decay_start(schedule, 10) == 6
    assert factors(schedule, 10, 6) == pytest.approx([0.5] + [1.0] * 6 + [0.75, 0.5, 0.25])


def test_warm_up_is_two_percent_within_bounds() -> None:
    cases = {100: 10, 2000: 40, 10**6: 2000, 3: 3}

    assert {total: warmup_steps(Cosine(), total) for total in cases} == cases
    assert warmup_steps(Cosine(warmup_steps=0), 100) == 0
