"""The parts of the evidence page that need no AWS."""

import math
import subprocess
from pathlib import Path

from pipeline.endpoint import is_aws
from pipeline.evidence.page import project_address
from pipeline.evidence.policies import allowed_actions
from pipeline.evidence.scoring import largest_difference
from pipeline.evidence.snippets import FILES, Commit, Snippet, present_commit, read_snippets

import pytest
from conftest import ROOT


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("dockerfile", ["FROM ${BASE_IMAGE} AS", "pip install", "COPY *.py", "ENTRYPOINT ["]),
        ("estimator", ["return Estimator(", "image_uri=image_uri,", "sagemaker_session=session,"]),
        ("fit", ["step_args=estimator.fit(", "TrainingInput(uri"]),
        ("save", ["artifact.save(folder)", "opt_ml.model"]),
    ],
)
def test_a_snippet_is_what_stands_between_its_marks(name: str, holds: list[str]) -> None:
    snippet = read_snippets()[name]
    assert snippet.text is not None
    assert "# docs:" not in snippet.text
    lines = (ROOT / snippet.path).read_text("utf-8").splitlines()
    quoted = [line.strip() for line in snippet.text.splitlines() if line.strip() != "# ..."]
    numbers = [part.split("-") for part in snippet.lines.split(", ")]
    found = [lines[n - 1].strip() for a, b in numbers for n in range(int(a), int(b) + 1)]
    assert quoted == found
    for text in holds:
        assert text in snippet.text


def test_a_renamed_variable_changes_no_snippet(tmp_path: Path) -> None:
    for path in FILES.values():
        copy = tmp_path / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / path).read_text("utf-8")
        copy.write_text(text.replace("gate = ", "decision = ").replace("[train, gate]", "[]"))
    assert read_snippets(tmp_path) == read_snippets()


def test_a_snippet_without_marks_is_not_found_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "definition.py").write_text("# docs: fit\nnever ends\n")
    assert read_snippets(tmp_path)["fit"] == Snippet("pipeline/definition.py", "", None)
    assert read_snippets(tmp_path)["save"].text is None


def test_the_commit_is_known_in_a_checkout_and_nowhere_else(tmp_path: Path) -> None:
    assert present_commit(tmp_path) is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "-m", "one")
    sha = git("rev-parse", "HEAD")
    assert present_commit(tmp_path) == Commit(sha, changed=False, origin=None)
    (tmp_path / "file").write_text("2")
    assert present_commit(tmp_path) == Commit(sha, changed=True, origin=None)
    (tmp_path / "below").mkdir()
    assert present_commit(tmp_path / "below") is None, "a copy of the project in another checkout"
    git("remote", "add", "origin", "https://user:secret@example.com/a.git")
    assert present_commit(tmp_path) == Commit(sha, True, "https://example.com/a.git")


def test_files_are_linked_at_the_commit_where_that_is_on_the_web(tmp_path: Path) -> None:
    on_the_web = Commit("abc", changed=False, origin="https://example.com/me/project.git")
    assert project_address(on_the_web, tmp_path) == "https://example.com/me/project/blob/abc"
    beside = ROOT / "runs" / "a1b2"
    for commit in (None, Commit("abc", changed=False, origin="git@example.com:me/project.git")):
        assert project_address(commit, beside) == "../.."


def test_allowed_actions_are_those_that_are_allowed_not_those_denied(tmp_path: Path) -> None:
    def actions(*template: Path) -> set[str]:
        return set().union(*allowed_actions(*template).values())

    assert {"logs:GetLogEvents", "sagemaker:CreateTrainingJob"} <= actions()
    assert not [action for action in actions() if "*" in action]
    owners = {"BuildRole", "PipelineRole", "TrainingRole", "OperatorPolicy"}
    assert owners <= set(allowed_actions())
    template = tmp_path / "template.yml"
    template.write_text(
        (ROOT / "build" / "infrastructure.yml")
        .read_text("utf-8")
        .replace("Action: sagemaker:DescribeTrainingJob", 'Action: "ecr:*"')
    )
    assert [action for action in actions(template) if "*" in action] == ["ecr:*"]


def test_the_largest_difference_is_found_wherever_it_is() -> None:
    one = {"auc": 0.5, "folds": [None, {"auc": 0.2}, {"auc": 0.1}]}
    assert largest_difference(one, one) == ("auc", 0.0)
    other = {"auc": 0.5, "folds": [None, {"auc": 0.2}, {"auc": 0.4}]}
    name, difference = largest_difference(one, other)
    assert (name, round(difference, 6)) == ("folds.2.auc", 0.3)
    assert largest_difference(one, {"auc": 0.5}) == ("folds.1.auc", math.inf)
    assert largest_difference({"auc": "high"}, {"auc": 1}) == ("auc", math.inf)
    assert largest_difference({"auc": math.nan}, {"auc": 1}) == ("auc", math.inf)


@pytest.mark.parametrize(
    ("endpoint", "answer"),
    [
        ("https://api.sagemaker.us-east-1.amazonaws.com", True),
        ("https://api.sagemaker.cn-north-1.amazonaws.com.cn", True),
        ("https://api.sagemaker.eusc-de-east-1.amazonaws.eu", True),
        ("https://sts.us-east-1.api.aws", True),
        ("http://127.0.0.1:5055", False),
        ("http://localhost:5055/amazonaws.com", False),
        ("http://amazonaws.com.example.org", False),
    ],
)
def test_only_an_address_of_aws_is_aws(endpoint: str, answer: bool) -> None:
    assert is_aws(endpoint) is answer
