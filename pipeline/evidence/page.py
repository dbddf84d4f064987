"""The evidence page: one page of Markdown, from the evidence alone."""

from collections.abc import Collection, Sequence
from typing import Any

from local_aws.definition.graph import mermaid
from pipeline.evidence import results, troubleshooting
from pipeline.evidence.blocks import code, literal, table
from pipeline.evidence.checklist import Check, checks
from pipeline.evidence.evidence import Evidence
from pipeline.evidence.key_code import quotes
from pipeline.evidence.words import Words
from pipeline.execution.log_stream import TRAINING_LOG_GROUP
from pipeline.execution.record import Record
from pipeline.settings import DEFAULT_CONFIG
from pipeline.workflow.parameters import CACHE_KEY

LANGUAGES_OF_FILES = {"py": "python", "yml": "yaml"}


def page(evidence: Evidence, pictures: Collection[str], config: str, language: str) -> str:
    """`pictures`: the names of those that lie beside it. `config`: the file of the settings."""
    words = Words(language)
    found = checks(evidence)
    parts = [
        *_head(evidence, words),
        *_summary(evidence, found, words),
        *_architecture(evidence, words),
        *_resources(evidence, words),
        *_repeat(evidence, config, words),
        *_key_code(evidence, words),
        *troubleshooting.failures(evidence, words),
        *results.results(evidence, pictures, words),
        *_checklist(found, words),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _head(evidence: Evidence, words: Words) -> list[str]:
    record = evidence.record
    where = words(
        "on_aws" if evidence.on_aws else "on_local_aws", endpoint=literal(record["endpoint"])
    )
    pipeline, execution = (name.rpartition("/")[2] for name in _arns(record))
    return [
        f"# {words('title', pipeline=pipeline, status=record['status'])}",
        f"> {where}",
        words("read_at", time=evidence.read_at, execution=literal(execution)),
    ]


def _arns(record: Record) -> tuple[str, str]:
    return record["pipeline_arn"], record["execution_arn"]


def _summary(evidence: Evidence, found: Sequence[Check], words: Words) -> list[str]:
    """Five lines."""
    record, again = evidence.record, evidence.scoring.again
    by_name = {check.name: check for check in found}
    metrics = ", ".join(
        f"{name.partition(':')[2]} {value:.4f}"
        for name, value in sorted((record["metrics"] or {}).items())
    )
    lines = [
        _evidence_of(by_name["succeeded"], words),
        words(
            "summary_model",
            metrics=metrics or words("missing"),
            rows=again["validation_rows"] if again else words("missing"),
        ),
        _evidence_of(by_name["metrics"], words),
        words(
            "summary_instance",
            instance=f"{record['instance_count']} x {record['instance_type']}"
            if record["instance_type"]
            else words("missing"),
            proof=_evidence_of(by_name["smallest"], words),
        ),
        _evidence_of(by_name["cost"], words),
    ]
    passed = sum(check.passed for check in found)
    return [
        f"## {words('summary')}",
        "\n".join(f"- {line}" for line in lines),
        words("summary_checks", passed=passed, all=len(found)),
    ]


def _evidence_of(check: Check, words: Words) -> str:
    return words(check.reason, **check.values)


def _architecture(evidence: Evidence, words: Words) -> list[str]:
    graph = code(mermaid(evidence.definition), "mermaid") if evidence.definition else None
    steps = [
        [step["StepName"], step["StepStatus"], _step_seconds(step) or words("missing")]
        for step in evidence.steps
    ]
    header = [words("step"), words("status"), words("seconds")]
    return [
        f"## {words('architecture')}",
        words("flow"),
        f"### {words('graph')}",
        words("graph_source", sha256=literal(evidence.record.get("definition_sha256") or "-")),
        graph or words("missing"),
        f"### {words('steps')}",
        table(header, steps) if steps else words("missing"),
    ]


def _step_seconds(step: Any) -> str | None:
    if "StartTime" not in step or "EndTime" not in step:
        return None
    return f"{(step['EndTime'] - step['StartTime']).total_seconds():.0f}"


def _resources(evidence: Evidence, words: Words) -> list[str]:
    record, job, image = evidence.record, evidence.job, evidence.image
    artifact = record["model_artifact"]
    output = job.get("OutputDataConfig", {}).get("S3OutputPath", "").removeprefix("s3://")
    bucket, _, prefix = output.partition("/")
    repository, _, _ = (record["image_uri"] or "").partition("@")
    name = record["training_job_name"]
    rows: list[tuple[str, object]] = [
        ("region", record["region"]),
        ("account", record["account"]),
        ("bucket", bucket or None),
        ("prefix", prefix.partition("/")[2] or None),
        ("repository", repository or None),
        ("image", record["image_uri"]),
        ("image_tags", ", ".join(image.tags) if image else None),
        *_image_build(record),
        ("pipeline", record["pipeline_arn"]),
        ("execution", record["execution_arn"]),
        ("training_job", name),
        ("training_role", job.get("RoleArn")),
        ("log_group", f"{TRAINING_LOG_GROUP}: {name}/..." if evidence.log else None),
        ("model", artifact["uri"] if artifact else None),
        ("model_bytes", f"{artifact['bytes']:,}" if artifact else None),
        ("model_package", record["model_package_arn"]),
    ]
    shown = [
        [words(f"resource_{key}"), words("missing") if value is None else literal(value)]
        for key, value in rows
    ]
    for channel, data in record["data"].items():
        for file, sha256 in (data["sha256"] or {"": None}).items():
            where = words("resource_data", channel=channel)
            shown.append([where, f"{literal(data['uri'] + file)} SHA-256 {_sha(sha256, words)}"])
    files = evidence.scoring.files.items()
    content = ", ".join(f"{literal(file)} {size:,}" for file, size in files)
    shown.append([words("resource_content"), content or words("missing")])
    header = [words("resource"), words("value")]
    return [f"## {words('resources')}", table(header, shown)]


def _image_build(record: Record) -> list[tuple[str, object]]:
    """Return the rows about the build of the image; none for an image that no build made."""
    build = record.get("image_build") or {}
    rows = {"image_build": build.get("build_id"), "image_sbom": build.get("sbom")}
    return [(key, value) for key, value in rows.items() if value]


def _sha(value: str | None, words: Words) -> str:
    return literal(value) if value else words("missing")


def _repeat(evidence: Evidence, config: str, words: Words) -> list[str]:
    record = evidence.record
    python = ".venv/bin/python"
    given = "" if config == str(DEFAULT_CONFIG) else f" --config {config}"
    parameters = "".join(f" --parameter {each}" for each in _overrides(evidence))
    checkout = f"git checkout {evidence.commit.sha}\n" if evidence.commit else ""
    rehearse = f"{python} pipeline/upsert_and_start.py --local{given}{parameters}"
    on_aws = [
        f"{python} build/deploy.py{given}",
        f"{python} build/push_image.py{given}",
        f"{python} pipeline/smallest_instance.py{given}",
        f"{python} pipeline/upsert_and_start.py{given}{parameters}",
        f"{python} pipeline/report.py latest{given}",
    ]
    region = f" --region {record['region']}"
    execution = f"--pipeline-execution-arn {record['execution_arn']}{region}"
    look = [
        f"aws sagemaker describe-pipeline-execution {execution}",
        f"aws sagemaker list-pipeline-execution-steps {execution}",
    ]
    if record["training_job_name"]:
        job = record["training_job_name"]
        look.append(f"aws sagemaker describe-training-job --training-job-name {job}{region}")
    if record["model_artifact"]:
        look += [
            f"aws s3 cp {record['model_artifact']['uri']} model.tar.gz{region}",
            "mkdir -p model && tar -xzf model.tar.gz -C model",
            f"{python} -m container.predict model < {evidence.data_file} | head -3",
        ]
    if record["model_package_arn"]:
        version = f"--model-package-name {record['model_package_arn']}{region}"
        look.append(f"aws sagemaker describe-model-package {version}")
    return [
        f"## {words('repeat')}",
        words("repeat_rehearse"),
        code(f"{checkout}make local\n{rehearse}", "bash"),
        words("repeat_on_aws"),
        code("\n".join(on_aws), "bash"),
        words("repeat_look" if evidence.on_aws else "repeat_look_local"),
        code("\n".join(look), "bash"),
        words("repeat_remove"),
        code(f"{python} build/teardown.py{given}", "bash"),
    ]


def _overrides(evidence: Evidence) -> list[str]:
    """The parameters of this execution that the definition has other defaults for."""
    defaults = {
        each["Name"]: str(each.get("DefaultValue"))
        for each in (evidence.definition or {}).get("Parameters", [])
    }
    return [
        f"{name}={value}"
        for name, value in evidence.record["parameters"].items()
        if name != CACHE_KEY and defaults.get(name, value) != value
    ]


def _key_code(evidence: Evidence, words: Words) -> list[str]:
    commit = evidence.commit
    if commit is None:
        state = words("code_no_commit")
    else:
        key = "code_changed" if commit.changed else "code_commit"
        state = words(key, commit=literal(commit.sha))
    parts = [f"## {words('code')}", state]
    for quote in quotes():
        parts += [
            f"### {words(quote.key)}",
            literal(f"{quote.path}:{quote.first}-{quote.last}"),
            code(quote.text, LANGUAGES_OF_FILES.get(quote.path.rpartition(".")[2], "docker")),
        ]
    return parts


def _checklist(found: Sequence[Check], words: Words) -> list[str]:
    header = [words("asked"), words("result"), words("shown_by")]
    rows = [
        [
            words(f"check_{check.name}"),
            words("passed" if check.passed else "failed"),
            _evidence_of(check, words),
        ]
        for check in found
    ]
    return [f"## {words('checklist')}", table(header, rows)]
