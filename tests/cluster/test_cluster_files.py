"""The files of docs/clusters: as their readers want them, behind the token, of the locked Ray."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "clusters"


def read(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


def locked_ray() -> str:
    found = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_google_clouds_file_is_valid_by_rays_own_schema_and_behind_the_token() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = read("gcp.yaml")
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1].split("ray start")[0]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    validate_config(prepare_config(config))


def test_the_rayjob_is_queued_by_kueue_behind_the_token_and_of_the_locked_ray() -> None:
    job = read("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "tuner"}
    assert job["spec"]["suspend"]  # Kueue starts it
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == locked_ray()
    assert cluster["authOptions"]["mode"] == "token"
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        [container] = pod["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert "--address auto" in job["spec"]["entrypoint"]


def test_the_slurm_script_is_a_shell_script_that_starts_ray_behind_a_token() -> None:
    script = FILES / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text()
    assert text.index("export RAY_AUTH_MODE RAY_AUTH_TOKEN") < text.index("ray symmetric-run")
    assert "#SBATCH --signal=TERM@" in text
