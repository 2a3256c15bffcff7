"""Studies as jobs of Ray's own job server: a driver for each, beside the cluster's head."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import EngineError

PREFIX = "tuner-"
STOP_S = 60
"""How long a driver may take to end when it is told to: what is finished is kept, which may mean a
last generation on an object store. By itself Ray kills it after 3 s."""
CHATTY = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
"""Loggers that say a line for each package and upload."""
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


def job_id(user: str, study: str) -> str:
    """The id of a user's study among Ray's jobs."""
    return f"{PREFIX}{user}-{study}"


@dataclass(frozen=True)
class Submitted:
    """A study that was submitted, as the job server knows it. Times are in seconds since 1970."""

    user: str
    study: str
    status: str
    message: str
    began: float | None
    ended: float | None
    exit_code: int | None
    told: Mapping[str, str]

    @property
    def running(self) -> bool:
        """Whether its driver may still run."""
        return self.status not in ENDED

    @property
    def state(self) -> str:
        """What became of it, in words."""
        if self.running:
            return self.status.lower()
        if self.status == "FAILED":
            # A driver that ends by itself says how; what is killed, or lost with its node, cannot.
            code = self.exit_code
            if code is None or code < 0 or code in (137, 143):
                return "driver lost, `tuner resume`"
            return _ENDINGS.get(code, "failed")
        return {"SUCCEEDED": "done", "STOPPED": "stopped"}[self.status]


_ENDINGS = {1: "done, some cells failed", 2: "refused"}


class Jobs:
    """The job server of a cluster."""

    def __init__(self, address: str) -> None:
        """`address` is "auto", the head's HOST:PORT, or the job server's http://HOST:PORT.

        Raises EngineError where none answers, where it refuses the token, and where it is another
        version of Ray.
        """
        import ray

        from tuner.cluster import ray_internals

        with _said(address), _only(address):
            from ray.job_submission import JobSubmissionClient

            self._client = JobSubmissionClient(address)
            for name in CHATTY:
                logging.getLogger(name).setLevel(logging.WARNING)
            theirs = ray_internals.ray_version_of(self._client)
        if theirs.rpartition(".")[0] != ray.__version__.rpartition(".")[0]:
            raise EngineError(
                f"the cluster at {address} runs Ray {theirs}, and this is Ray {ray.__version__}",
                field="address",
                way_out="install the cluster's",
            )
        self.address = address

    def all(self) -> list[Submitted]:
        """The studies that were submitted, the newest first."""
        with _said(self.address):
            found = self._client.list_jobs()
        ours = [job for job in found if (job.submission_id or "").startswith(PREFIX)]
        told = [job for job in ours if "study" in (job.metadata or {})]
        return sorted(map(_submitted, told), key=lambda job: -(job.began or 0.0))

    def find(self, user: str, study: str) -> Submitted | None:
        """A user's study; None where it was never submitted."""
        return next((job for job in self.all() if (job.user, job.study) == (user, study)), None)

    def submit(
        self,
        id: str,
        command: Sequence[str],
        *,
        folder: Path | None,
        modules: Sequence[Path] = (),
        told: Mapping[str, str],
    ) -> None:
        """Start a driver there, in a copy of `folder` and with `modules` to import."""
        import shlex

        environment: dict[str, Any] = {
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_S), "PYTHONUNBUFFERED": "1"},
            "py_modules": [str(module) for module in modules],
        }
        if folder is not None:
            environment["working_dir"] = str(folder)
        with _said(self.address):
            self._client.submit_job(
                entrypoint=shlex.join(command),
                submission_id=id,
                runtime_env=environment,
                metadata=dict(told),
            )

    def status(self, id: str) -> str:
        """Where a job stands, by Ray's word for it."""
        with _said(self.address):
            return str(self._client.get_job_status(id).value)

    def logs(self, id: str) -> str:
        """All that a driver has printed."""
        with _said(self.address):
            return str(self._client.get_job_logs(id))

    def stop(self, id: str) -> None:
        """Tell a driver to end, as Ctrl-C does."""
        with _said(self.address):
            self._client.stop_job(id)

    def forget(self, id: str) -> None:
        """Let the job server forget a job that has ended, so that its id is free."""
        with _said(self.address):
            self._client.delete_job(id)


def _submitted(job: Any) -> Submitted:
    told = job.metadata or {}
    times = (None if at is None else at / 1000 for at in (job.start_time, job.end_time))
    began, ended = times
    code = job.driver_exit_code
    status = str(getattr(job.status, "value", job.status))
    return Submitted(
        told.get("user", ""), told["study"], status, job.message or "", began, ended, code, told
    )


@contextmanager
def _said(address: str) -> Iterator[None]:
    """Let what the job server, or the way there, raises be one line."""
    try:
        yield
    except EngineError:
        raise
    except ImportError as error:
        raise EngineError(
            f"Ray's job server needs {error.name or 'more packages'}",
            way_out="pip install 'tuner[cluster]'",
        ) from None
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the way to the cluster
        said = " ".join(str(error).split())
        if "401" in said or "403" in said or "auth" in said.lower():
            raise EngineError(
                f"the cluster at {address} refuses this token",
                field="address",
                way_out="set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to "
                "the cluster's",
            ) from None
        raise EngineError(
            f"no job server answers at {address} ({type(error).__name__}: {said[:200]})",
            field="address",
            way_out="give auto, the head's HOST:PORT, or http://HOST:8265",
        ) from None


@contextmanager
def _only(address: str) -> Iterator[None]:
    """Ray takes RAY_ADDRESS before an address that it is given."""
    names = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
