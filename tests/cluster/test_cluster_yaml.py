"""cluster.yaml, as it stands and as its AWS lines: valid by Ray's own schema, and guarded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

TEXT = (Path(__file__).parents[2] / "cluster.yaml").read_text()


def as_it_stands() -> Any:
    return yaml.safe_load(TEXT)


def on_aws() -> Any:
    lines = re.findall(r"^#aws ?(.*)$", TEXT, re.MULTILINE)
    return yaml.safe_load("\n".join(lines))


@pytest.mark.parametrize("read", [as_it_stands, on_aws])
def test_every_variant_is_valid_by_rays_own_schema(read: Any) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(read()))


@pytest.mark.parametrize("read", [as_it_stands, on_aws])
def test_every_variant_installs_the_lock_and_starts_behind_the_token(read: Any) -> None:
    config = read()
    mounted = config["file_mounts"]
    assert mounted["~/.ray/auth_token"] == "~/.ray/auth_token"
    lock = next(there for there, here in mounted.items() if here == "./requirements.lock")
    assert any(f"--requirement {lock}" in command for command in config["setup_commands"])
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1].split("ray start")[0]
        assert commands[-1].endswith("&& chmod 700 /tmp/ray")
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]


def test_the_aws_variant_scales_takes_spot_workers_and_has_a_gpu_type() -> None:
    types = on_aws()["available_node_types"]
    workers = [node for name, node in types.items() if name != on_aws()["head_node_type"]]
    assert all(node["min_workers"] == 0 < node["max_workers"] for node in workers)
    spot = [n["node_config"].get("InstanceMarketOptions", {}).get("MarketType") for n in workers]
    assert spot == ["spot", "spot"]
    assert any(node["node_config"]["InstanceType"].startswith("g5") for node in workers)
