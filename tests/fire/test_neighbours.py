"""One follower's trouble is its own: the latency of fifty others with and without it, in virtual time."""

from pathlib import Path

import trio

from supervision.supervisor import State
from tests.bench.figures import percentile
from tests.fire.neighbours import DEAF, HEALTHY, LOOPING, STEPS, STUCK, watch

Clock = trio.abc.Clock


async def test_fifty_copy_as_fast_beside_a_deaf_a_stuck_and_a_crashing_one(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    for name in ("alone", "beside"):
        (tmp_path / name).mkdir()
    alone = await watch(tmp_path / "alone", beside=False)
    beside = await watch(tmp_path / "beside", beside=True)

    assert len(alone.copied_s) == len(beside.copied_s) == len(HEALTHY) * len(STEPS)
    p99 = percentile(alone.copied_s, 0.99), percentile(beside.copied_s, 0.99)
    print(f"p99 alone {p99[0]:.4f} s, beside {p99[1]:.4f} s")
    assert 0 < p99[1] <= 1.1 * p99[0]
    assert beside.touched == []
    assert set(beside.hung) == {f"follower:{STUCK}"}
    assert beside.quarantined == [f"account:{LOOPING}"]
    assert beside.state is State.QUARANTINED
    assert beside.unknown > 0, DEAF
