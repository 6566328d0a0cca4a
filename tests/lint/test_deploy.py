"""What the files in `deploy/` name exists: figures in alert rules, paths in the Dockerfile."""

import re
import subprocess
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
from api.settings import Settings
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


# the container image

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yml").read_text())


def instructions(name: str) -> list[str]:
    text = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def copied() -> list[str]:
    lines = [line.split() for line in instructions("COPY")]
    return [source for words in lines if not words[0].startswith("--from") for source in words[:-1]]


def test_every_path_the_dockerfile_copies_is_in_the_checkout() -> None:
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    paths = tracked.splitlines()
    assert len(copied()) > 6
    for source in copied():
        assert any(path == source or path.startswith(f"{source}/") for path in paths), source


def test_the_dockerignore_lets_through_what_is_copied_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert allowed == {source.partition("/")[0] for source in copied()}
    assert {"api/console", "web/node_modules"} <= set(lines)


def test_stages_are_copied_from_before_they_are_needed() -> None:
    stages = [line.partition(" AS ")[2] for line in instructions("FROM")]
    for line in instructions("COPY"):
        if line.startswith("--from="):
            assert line.split()[0].removeprefix("--from=") in stages[:-1]
    build = next(line for line in (ROOT / "web" / "vite.config.ts").read_text().splitlines() if "outDir" in line)
    assert "../api/console" in build


def test_the_image_is_locked_not_root_and_healthy_when_ready() -> None:
    installs = [line for line in instructions("RUN") if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert instructions("USER") == ["xiangyun"]
    assert "/readyz" in instructions("HEALTHCHECK")[0]
    assert not re.search(r"--index[-]url|--registry|https?://(?!127\.0\.0\.1)", DOCKERFILE)


def test_image_and_compose_use_settings_that_exist() -> None:
    (service,) = COMPOSE["services"].values()
    asked = {
        *re.findall(r"XIANGYUN_([A-Z_]+)=", DOCKERFILE),
        *(k.removeprefix("XIANGYUN_") for k in service["environment"]),
    }
    assert asked - {name.upper() for name in Settings.model_fields} == set()
    assert (ROOT / "deploy" / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    ports = {int(port) for port in re.findall(r"\d+", instructions("EXPOSE")[0])}
    defaults = {Settings.model_fields[name].default for name in ("port", "tls_port", "media_udp_port")}
    assert ports == defaults
