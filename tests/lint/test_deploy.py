"""What the files in `deploy/` name exists: figures in alert rules, paths in the Dockerfile."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from api.control.metrics import Metrics
from api.forward.figures import _presence
from api.processes.figures import WorkerFigures
from api.processes.replay_figures import ReplayFigures
from recorder.replay.catalog import Catalog
from tests.unit.recorder.world import World

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "xiangyun.rules.yml"
SAMPLES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exported(families: Iterator[Metric]) -> dict[str, set[str]]:
    """Return the labels by the name under which Prometheus knows a figure."""
    found: dict[str, set[str]] = {}
    for family in families:
        labels = {label for sample in family.samples for label in sample.labels}
        for ending in SAMPLES.get(family.type, ()):
            found[family.name + ending] = labels | set(getattr(family, "_labelnames", ()))
    return found


async def figures(tmp_path: Path) -> dict[str, set[str]]:
    """Return everything `/metrics` of a running hub has."""
    own = Metrics()
    own.cameras.labels("online").set(1)
    own.requests.labels("GET", "/", "200").inc()
    own.duration.labels("/").observe(1)
    async with World(tmp_path) as world:
        state = {"state": "online", "recording": {"state": "recording"}}
        of_worker = WorkerFigures("n/0", lambda: {"gate": state})
        of_worker.volumes = lambda: world.recorder.writers
        registry = CollectorRegistry()
        registry.register(of_worker)
        told = [*own.registry.collect(), *registry.collect(), *ReplayFigures(Catalog([])).collect()]
    return exported(iter([*told, *_presence([], [], is_replay_up=True)])) | WIRED


WIRED = {
    f"xiangyun_worker_{name}": {"worker"}
    for name in re.findall(
        r'^            "([a-z_]+)": \("[A-Z]', (ROOT / "api/processes/worker.py").read_text(), re.MULTILINE
    )
}
WIRED |= {f"{name}_total": labels for name, labels in WIRED.items()}


async def test_alert_rules_ask_for_figures_that_exist(tmp_path: Path) -> None:
    known = await figures(tmp_path)
    asked = {name for rule in rules() for name in re.findall(r"xiangyun_[a-z0-9_]+", rule["expr"])}
    assert len(asked) > 10
    assert asked - known.keys() == set()


async def test_alert_rules_ask_for_labels_that_exist(tmp_path: Path) -> None:
    known = await figures(tmp_path)
    for rule in rules():
        for name, matchers in re.findall(r"(xiangyun_[a-z0-9_]+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"([a-z_]+)\s*=", matchers)) <= known[name], rule["alert"]


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert {"summary", "fix"} <= rule["annotations"].keys()
