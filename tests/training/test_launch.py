"""Which launcher's group this process is in, and what a group's exit code is."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmctl import files
from llmctl.errors import UsageError
from llmctl.training.launch import _passed_on, adopt_slurm, processes_to_start


def test_without_a_launcher_processes_are_started_as_asked() -> None:
    assert processes_to_start(None, {}, num_gpus=0) == 1
    assert processes_to_start(None, {}, num_gpus=4) == 4
    assert processes_to_start(2, {}, num_gpus=4) == 2


def test_inside_a_group_nothing_is_started() -> None:
    torchrun = {"WORLD_SIZE": "2", "RANK": "0"}

    assert processes_to_start(None, torchrun, num_gpus=8) == 1
    assert processes_to_start(2, torchrun, num_gpus=8) == 1


@pytest.mark.parametrize(
    "environment", [{"WORLD_SIZE": "2"}, {"ACCELERATE_MIXED_PRECISION": "no"}], ids=str
)
def test_a_group_smaller_than_asked_for_is_an_error(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--num-processes 4 was asked for, but the launcher"):
        processes_to_start(4, environment, num_gpus=0)


def test_slurm_tells_torch_what_it_wants_to_know() -> None:
    found = adopt_slurm(
        {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1",
         "SLURM_NODELIST": "gpu[11,14]"}
    )  # fmt: skip

    assert (found["RANK"], found["WORLD_SIZE"], found["LOCAL_RANK"]) == ("5", "8", "1")
    assert found["MASTER_ADDR"] == "gpu11"
    assert adopt_slurm({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}) == {}
    assert adopt_slurm({"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "WORLD_SIZE": "2"}) == {}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({0: 0, 1: 0}, 0),
        ({0: 65, 1: 1}, 65),
        ({0: 75, 1: 65}, 65),  # the launcher stopped rank 0 because rank 1 had failed
        ({0: 75, 1: 75}, 75),
        ({0: 75}, 75),  # rank 1 was killed after rank 0 had saved
        ({1: 0}, 1),
    ],
)
def test_the_exit_code_is_that_of_what_went_wrong(
    tmp_path: Path, codes: dict[int, int], expected: int
) -> None:
    for rank, code in codes.items():
        files.write_json(tmp_path / f"{rank}.json", {"code": code, "message": "why"})

    assert _passed_on(tmp_path, 2, interrupted=False) == expected
