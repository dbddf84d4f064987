"""The evidence page: what is on it is what the services and the artifact say."""

import contextlib
import gzip
import json
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from container.contract import METRICS, METRICS_FILE, metric_line, metric_name
from local_aws.tests.waiting import wait_for_execution
from pipeline import report, smallest_instance, upsert_and_start
from pipeline.data import split_uri
from pipeline.evidence.pages import LANGUAGES
from pipeline.evidence.scoring import score_again
from pipeline.execution.archive import UNPACKED_BYTES
from pipeline.local import ProjectAws

import pytest
import yaml
from archive import files_of
from conftest import ROOT, SLOW
from markdown_it import MarkdownIt

VERIFIED = "metrics.json is stored, and its values verified"


class Run:
    """One that succeeded; its folder is the one in which the tests are."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder, self.config = folder, config
        (self.place,) = (folder / "runs").iterdir()
        self.record: dict[str, Any] = json.loads((self.place / "run.json").read_text("utf-8"))

    def page(self, language: str = "en") -> str:
        return (self.place / LANGUAGES[language]).read_text("utf-8")

    def page_again(self) -> str:
        assert report.main(["--config", str(self.config), self.record["execution_arn"]]) == 0
        return self.page()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, local_aws: ProjectAws) -> Run:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("report")
    settings = yaml.safe_load((ROOT / "pipeline.yaml").read_text("utf-8"))
    settings |= {
        "pipeline_name": "titanic-pipeline-report",
        "data_file": str(ROOT / settings["data_file"]),
    }
    config = folder / "pipeline.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with contextlib.chdir(folder):
        assert upsert_and_start.main(["--config", str(config)]) == 0
    return Run(folder, config)


@pytest.fixture
def run(finished: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(finished.folder)
    return finished


@pytest.fixture
def artifact(run: Run, local_aws: ProjectAws) -> Iterator[dict[str, Any]]:
    """Where the artifact is in S3; it is there again after the test."""
    bucket, key = split_uri(run.record["model_artifact"]["uri"])
    s3 = local_aws.clients.client("s3")
    before = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    yield {"s3": s3, "content": before, "Bucket": bucket, "Key": key}
    s3.put_object(Bucket=bucket, Key=key, Body=before)


def line_of(page: str, point: str) -> str:
    """A line of the checklist."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {point} |")]
    return line


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_on_the_page_is_that_of_the_record(run: Run, language: str) -> None:
    page, record = run.page(language), run.record
    metrics = json.loads((run.place / "metrics.json").read_text("utf-8"))
    for metric in METRICS:
        assert f"| {metric} | {metrics[metric]:.4f}" in page
    for value in (
        record["endpoint"],
        record["region"],
        record["account"],
        record["execution_arn"],
        record["definition_sha256"],
        record["image_uri"],
        record["training_job_name"],
        record["model_artifact"]["uri"],
        record["model_package_arn"],
        *(data["uri"] for data in record["data"].values()),
        *(sha for data in record["data"].values() for sha in data["sha256"].values()),
    ):
        assert f"`{value}" in page, value
    nothing = {
        "en": "| Served now | nothing is served;",
        "ko": "| 현재 서빙 | 서빙 중인 모델 없음;",
    }
    assert nothing[language] in page
    billable = {"en": "of which {} s are billable", "ko": "과금 대상 {}초"}[language]
    assert billable.format(record["billable_seconds"]) in page
    memory = {"en": "peak memory {} MiB", "ko": "최대 메모리 사용량 {} MiB"}[language]
    assert memory.format(record["peak_memory_mib"]) in page
    assert f"{record['cost_estimate']['usd']:.6f} USD" in page
    assert f"{record['model_artifact']['bytes']:,}" in page
    auc = record["metrics"][metric_name("auc")]
    assert metric_line("auc", auc) + "\n" in page, "the log"


def test_what_can_be_shown_passes_and_a_rehearsal_without_image_is_said_to_be_one(run: Run) -> None:
    page = run.page()
    for point in (
        "Hyperparameters are passed through the Estimator",
        "model.tar.gz is stored in S3",
        "metrics.json is stored, and its values verified",
        "The log output is tidy",
        "Cost: spot and data sampling, applied or not, with the reason",
        "Draft of a least-privilege IAM policy",
        "The quality gate",
        "Data under the hash of their content",
    ):
        assert "| pass |" in line_of(page, point)
    assert "| **fail** |" in line_of(page, "The SageMaker training job ran on AWS and completed")
    image = line_of(page, "An image of our own, pushed to ECR")
    assert "| **fail** | Not built: ECR holds a stand-in that cannot run" in image
    assert "the image was not built" in page.partition("## Architecture")[2]
    assert "CodeBuild builds the image from" not in page
    assert "Nothing was billed; the same seconds on AWS cost " in page
    assert "not read |" not in page


def test_the_page_is_plain_markdown_with_its_picture_beside_it(run: Run) -> None:
    for language in LANGUAGES:
        text = run.page(language)
        lines = text.splitlines()
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        tables = [token.map for token in tokens if token.type == "table_open" and token.map]
        fences = [token for token in tokens if token.type == "fence"]
        assert [token.info for token in fences].count("mermaid") == 2
        for begin, end in tables:
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines[begin:end]}
            assert len(cells) == 1, lines[begin]
        inside = {n for begin, end in tables for n in range(begin, end)}
        inside |= {n for token in fences if token.map for n in range(*token.map)}
        assert not [line for n, line in enumerate(lines) if "|" in line and n not in inside]
        assert len(tables) == 6
        assert "{{ " not in text
        assert "{%" not in text
        (picture,) = re.findall(r"!\[.+?\]\((results(?:\.ko)?\.png)\)", text)
        assert (run.place / picture).read_bytes().startswith(b"\x89PNG\r\n")
        linked = re.findall(r"\]\((\S+\.(?:py|yml|md))\)", text)
        assert len(linked) == 7
        assert all("://" in path or (run.place / path).is_file() for path in linked), linked


def test_the_zip_has_the_pages_and_their_pictures(run: Run) -> None:
    with zipfile.ZipFile(run.place / "report.zip") as archive:
        names = archive.namelist()
        page = archive.read("report.md").decode()
        assert page.splitlines()[:9] == run.page().splitlines()[:9]
        assert {link for link in re.findall(r"\]\((\S+?)\)", page) if "://" not in link} <= {*names}
    linked = {
        name for each in LANGUAGES for name in re.findall(r"\]\((\S+?\.png)\)", run.page(each))
    }
    assert {*LANGUAGES.values(), *linked} <= set(names)


def test_both_languages_have_the_same_parts_and_the_same_values(run: Run) -> None:
    def shape(page: str) -> list[str]:
        tokens = MarkdownIt("commonmark").enable("table").parse(page)
        return [f"{token.type} {token.info}" for token in tokens]

    def values(page: str) -> set[str]:
        tokens = MarkdownIt("commonmark").enable("table").parse(page)
        inline = [part for token in tokens for part in token.children or ()]
        return {part.content for part in inline if part.type == "code_inline"}

    english, korean = run.page("en"), run.page("ko")
    assert shape(english) == shape(korean)
    assert values(english) - values(korean) <= {"metrics.json"}, "which a row's name is, in Korean"
    headings = re.compile(r"^## (.+)$", re.MULTILINE)
    assert headings.findall(english) == [
        "Executive Summary",
        "Architecture & Flow",
        "Resources",
        "How to Run (Steps to Reproduce)",
        "Key Code Snippets",
        "Troubleshooting Log",
        "Results",
        "Checklist",
    ]
    assert headings.findall(korean) == [
        "Executive Summary",
        "아키텍처 & 플로우",
        "리소스 정보",
        "실행 방법 (재현 절차)",
        "핵심 코드 스니펫",
        "트러블슈팅 로그",
        "결과",
        "체크리스트",
    ]
    summary = english.partition("## Executive")[2].partition("## Arch")[0]
    assert len(re.findall("^- ", summary, re.MULTILINE)) == 5
    for page in (english, korean):
        prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
        assert len(re.sub(r"`[^`\n]*`|\]\(\S+\)|[|-]", "", prose).split()) <= 1300


def test_the_commands_of_the_page_are_shell_and_name_this_runs_things(run: Run) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", run.page(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    script = "\n".join(blocks)
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    bucket, _ = split_uri(run.record["model_artifact"]["uri"])
    for value in (run.record["training_job_name"], f"BUCKET=s3://{bucket}\n", "docker push "):
        assert value in script
    assert f"--config {run.config}" in script


def test_an_artifact_that_is_gone_is_said_and_fails(run: Run, artifact: dict[str, Any]) -> None:
    artifact["s3"].delete_object(Bucket=artifact["Bucket"], Key=artifact["Key"])
    page = run.page_again()
    assert "- **model.tar.gz**: not read\n" in page
    assert "| **fail** | It is not there. |" in line_of(page, "model.tar.gz is stored in S3")
    assert "| **fail** |" in line_of(page, VERIFIED)
    assert "could not be measured again: `there is no artifact in S3`" in page
    assert ".png" not in page
    assert (run.place / "model.tar.gz").read_bytes() == artifact["content"], "the record stays"


def test_altered_metrics_are_noticed(run: Run, artifact: dict[str, Any]) -> None:
    files = files_of(artifact["content"])
    metrics = json.loads(files[METRICS_FILE])
    metrics["confusion_matrix"]["true_positive"] += 3
    put(artifact, files | {METRICS_FILE: json.dumps(metrics).encode()})
    page = run.page_again()
    assert line_of(page, VERIFIED).endswith(
        "| **fail** | Measured again, `confusion_matrix.true_positive` differs by 3 "
        "(tolerance 2e-06). |"
    )


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'{"auc": "high"}', b"no JSON", None])
def test_metrics_that_are_none_are_no_evidence(
    content: bytes | None, run: Run, artifact: dict[str, Any]
) -> None:
    files = files_of(artifact["content"])
    del files[METRICS_FILE]
    put(artifact, files if content is None else files | {METRICS_FILE: content})
    assert "| **fail** |" in line_of(run.page_again(), VERIFIED)


def test_a_model_that_is_not_whole_is_no_evidence(run: Run, artifact: dict[str, Any]) -> None:
    put(artifact, files_of(artifact["content"]) | {"model.ubj": b"nothing"})
    line = line_of(run.page_again(), VERIFIED)
    assert "| **fail** | Could not be checked: `" in line
    artifact["s3"].put_object(Bucket=artifact["Bucket"], Key=artifact["Key"], Body=b"no archive")
    assert "| **fail** |" in line_of(run.page_again(), VERIFIED)


def linked(name: str, target: str) -> bytes:
    """Return an archive with a link."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        archive.addfile(member)
    return content.getvalue()


def of_zeros(name: str, size: int) -> bytes:
    """Return an archive whose one file says that it has so many bytes, and its first ones."""
    member = tarfile.TarInfo(name)
    member.size = size
    return gzip.compress(member.tobuf() + bytes(UNPACKED_BYTES), compresslevel=1)


ODD: dict[str, Callable[[bytes], bytes]] = {
    "linear.json is neither file nor folder": lambda _: linked("linear.json", "/etc/passwd"),
    "not a whole tar.gz: Compressed file ended": lambda whole: whole[: len(whole) // 2],
    "not a whole tar.gz: CRC check failed": lambda whole: whole[:-8] + bytes(8),
    "not a whole tar.gz: Error -3 while decompressing": lambda _: gzip.compress(b"")[:10] + b"\xff",
    "not a whole tar.gz: Not a gzipped file": lambda _: b"PK, another kind of archive",
    "not a whole tar.gz: ": lambda _: gzip.compress(b"no tar" * 1000),
    "unpacks to more than 256 MiB": lambda _: of_zeros("model.ubj", 4 * 2**30),
}


@pytest.mark.parametrize("problem", ODD)
def test_an_archive_that_is_odd_is_one_line(
    problem: str, run: Run, artifact: dict[str, Any]
) -> None:
    body = ODD[problem](artifact["content"])
    artifact["s3"].put_object(Bucket=artifact["Bucket"], Key=artifact["Key"], Body=body)
    scoring = score_again(artifact["s3"], run.record)
    assert scoring.problem is not None
    assert f"{run.record['model_artifact']['uri']}: {problem.partition(': ')[0]}" in scoring.problem
    assert problem in scoring.problem
    assert "\n" not in scoring.problem


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (METRICS_FILE, DEEP, "metrics.json: nested too deeply"),
        (METRICS_FILE, b" " * 2**21, "metrics.json: larger than 1 MiB"),
        ("linear.json", DEEP, "the artifact cannot be read: "),
        ("linear.json", b"[]", "the artifact cannot be read: "),
        ("tables.csv", b"table,key,hash,count,sum\n" + b"x," * 10**5, "cannot be read: "),
    ],
)
def test_a_file_of_an_artifact_that_is_odd_is_one_line(
    name: str, content: bytes, problem: str, run: Run, artifact: dict[str, Any]
) -> None:
    put(artifact, files_of(artifact["content"]) | {name: content})
    scoring = score_again(artifact["s3"], run.record)
    assert problem in (scoring.problem or "")
    assert "\n" not in (scoring.problem or "")


def test_a_record_is_kept_whatever_the_artifact_is(run: Run, artifact: dict[str, Any]) -> None:
    kept = run.place.rename(run.folder / "kept")
    artifact["s3"].put_object(Bucket=artifact["Bucket"], Key=artifact["Key"], Body=b"no archive")
    try:
        assert "not a whole tar.gz" in run.page_again()
        assert json.loads((run.place / "run.json").read_text())["model_artifact"]["bytes"] == 10
        assert (run.place / "model.tar.gz").read_bytes() == b"no archive"
    finally:
        shutil.rmtree(run.place)
        kept.rename(run.place)


def put(artifact: dict[str, Any], files: dict[str, bytes]) -> None:
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, BytesIO(body))
    artifact["s3"].put_object(
        Bucket=artifact["Bucket"], Key=artifact["Key"], Body=content.getvalue()
    )


def test_the_smallest_instance_is_proved_by_what_aws_says(run: Run) -> None:
    point, evidence = (
        "The smallest instance is used, with the reason",
        Path("smallest-instance.json"),
    )
    assert "| **fail** | Not shown yet" in line_of(run.page(), point)

    assert smallest_instance.main(["--config", str(run.config)]) == 0
    page = run.page_again()
    assert "| pass | The job completed on ml.m5.large, the smallest usable" in line_of(page, point)
    assert (
        "of 225 training instance types, ml.m5.large (8,192 MiB, 0.115 USD an hour, quota 15, "
        in page
    )
    assert f"peak memory is {run.record['peak_memory_mib']} MiB; 2 times that must fit" in page

    content = json.loads(evidence.read_text("utf-8"))
    for changed, said in (
        ({"region": "eu-west-1"}, "is about another region"),
        (
            {"answers": [content["answers"][0] | {"endpoint": "https://x.amazonaws.com"}]},
            "or endpoint",
        ),
        ({"instance_types": []}, "The smallest usable type is -; the job ran on ml.m5.large"),
        ({"requirements": None}, "Not shown yet"),
    ):
        evidence.write_text(json.dumps(content | changed), encoding="utf-8")
        line = line_of(run.page_again(), point)
        assert "| **fail** |" in line
        assert said in line
    evidence.unlink()


def test_an_execution_that_goes_on_has_no_page_and_a_stopped_one_has(
    run: Run, tmp_path: Path, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = yaml.safe_load(run.config.read_text("utf-8")) | {"hyperparameters": SLOW}
    config = tmp_path / "pipeline.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    arguments = ["--config", str(config), "--no-wait", "--parameter", "MinValidationAuc=0.9"]
    assert upsert_and_start.main(arguments) == 0
    arn = capsys.readouterr().out.strip()
    assert report.main(["--config", str(config)]) == 2
    assert f"error: execution {arn}: Executing, not ended yet\nhint: " in capsys.readouterr().err

    sagemaker = local_aws.clients.client("sagemaker")
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="x" * 32)
    wait_for_execution(sagemaker, arn)
    assert report.main(["--config", str(config), "latest", "--language", "ko"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == Path("runs") / arn.rpartition("/")[2] / "report.ko.md"
    page = path.read_text("utf-8")
    assert page.startswith("# titanic-pipeline-report: 중지됨\n")
    code, rest = page.partition("## 핵심")[0], page.partition("## 트러블")[2]
    assert "None" not in code + rest
    assert f"| `{path.parent.name}` | " in page, "it is in the troubleshooting log"
    assert "--parameter MinValidationAuc=0.9\n" in page, "repeats this run"
    assert json.loads((path.parent / "run.json").read_text("utf-8"))["status"] == "Stopped"
    assert "| `execution-stopped` |" in page, "with its diagnosis"
    shutil.rmtree(path.parent)


def test_failed_runs_and_their_diagnosis_are_the_troubleshooting_log(run: Run) -> None:
    assert "Recorded runs of this pipeline in `runs/`: 1, all succeeded." in run.page()
    folder = Path("runs") / "failedfailed"
    folder.mkdir()
    failed = run.record | {
        "execution_arn": run.record["execution_arn"].rpartition("/")[0] + "/failedfailed",
        "status": "Failed",
        "failed_step": "Train",
        "failure_reason": "AlgorithmError: a | b\nvalidation:auc 0.6 is below MinValidationAuc 0.7",
        "diagnosis": "quality-gate",
    }
    (folder / "run.json").write_text(json.dumps(failed), encoding="utf-8")
    page = run.page_again()
    ended = failed["ended_at"][:16].replace("T", " ")
    assert (
        f"| `failedfailed` | {ended} | Failed, Train | "
        "`AlgorithmError: a \\| b validation:auc 0.6 is below MinValidationAuc 0.7` | "
        "`quality-gate` |"
    ) in page
    assert "Recorded runs of this pipeline in `runs/`: 2, of which 1 did not succeed." in page
    old = {key: failed[key] for key in ("region", "pipeline_arn", "ended_at")}
    (folder / "run.json").write_text(json.dumps(old), encoding="utf-8")
    assert f"| {ended} | not read, - | not read | - |" in run.page_again()
    (folder / "run.json").write_text("{}", encoding="utf-8")
    assert "The recorded runs could not be read." in run.page_again()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("execution", "problem"),
    [
        ("abc", "execution 'abc': not the ARN of an execution"),
        (
            "arn:aws:sagemaker:us-east-1:123456789012:pipeline/titanic-pipeline-report/execution/nothing",
            "/execution/nothing: not at http://127.0.0.1:",
        ),
        (
            "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/titanic-pipeline-report/execution/x",
            "/execution/x: in eu-west-1, while region is us-east-1",
        ),
    ],
)
def test_an_execution_that_is_not_there_is_one_line_and_a_hint(
    execution: str, problem: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(["--config", str(run.config), execution]) == 2
    out, err = capsys.readouterr()
    assert problem in err
    assert err.count("\n") == 2
    assert "\nhint: " in err
    assert out == ""


def test_a_pipeline_that_is_not_there_is_one_line_and_a_hint(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = yaml.safe_load(run.config.read_text("utf-8")) | {
        "pipeline_name": "titanic-pipeline-nowhere"
    }
    config = tmp_path / "pipeline.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert report.main(["--config", str(config)]) == 2
    assert (
        "error: pipeline titanic-pipeline-nowhere: not in region us-east-1\nhint: "
        in capsys.readouterr().err
    )
