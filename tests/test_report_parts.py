"""The parts of the evidence page that need no AWS."""

import math
import subprocess
from pathlib import Path

from pipeline.endpoint import is_aws
from pipeline.evidence.blocks import code, literal, table
from pipeline.evidence.key_code import Commit, Quote, present_commit, quotes
from pipeline.evidence.policies import allowed_actions
from pipeline.evidence.scoring import largest_difference
from pipeline.evidence.words import Words

import pytest
from conftest import ROOT


@pytest.mark.parametrize("quote", quotes(), ids=lambda quote: quote.key)
def test_a_quote_is_what_stands_on_its_lines(quote: Quote) -> None:
    lines = (ROOT / quote.path).read_text("utf-8").splitlines()[quote.first - 1 : quote.last]
    indent = len(lines[0]) - len(lines[0].lstrip())
    assert [line[indent:] for line in lines] == quote.text.splitlines()
    assert Words("en")(quote.key)


def test_the_quotes_hold_what_they_are_there_for() -> None:
    text = {quote.key: quote.text for quote in quotes()}
    assert text["code_estimator"].startswith("def build_estimator(")
    assert "hyperparameters=dict(hyperparameters)," in text["code_estimator"]
    assert text["code_step"].startswith("train = TrainingStep(")
    assert text["code_gate"].startswith("gate = ConditionStep(")
    assert "booster = train_trees(" in text["code_fit"]
    assert text["code_image"].endswith('ENTRYPOINT ["python3", "-m", "container"]\n')
    assert text["code_role"].startswith("- Sid: FindTheData")


def test_code_that_is_no_longer_there_is_an_error_not_an_empty_quote(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "definition.py").write_text("def other():\n    pass\n")
    with pytest.raises(LookupError, match=r"pipeline/definition\.py has no build_estimator"):
        quotes(tmp_path)


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
    assert present_commit(tmp_path) == Commit(sha, changed=False)
    (tmp_path / "file").write_text("2")
    assert present_commit(tmp_path) == Commit(sha, changed=True)
    (tmp_path / "below").mkdir()
    assert present_commit(tmp_path / "below") is None, "a copy of the project in another checkout"


def test_allowed_actions_are_those_that_are_allowed_not_those_denied(tmp_path: Path) -> None:
    actions = allowed_actions()
    assert "logs:GetLogEvents" in actions
    assert "sagemaker:CreateTrainingJob" in actions
    assert not [action for action in actions if "*" in action]
    template = tmp_path / "template.yml"
    template.write_text(
        (ROOT / "build" / "infrastructure.yml")
        .read_text("utf-8")
        .replace("Action: sagemaker:DescribeTrainingJob", 'Action: "ecr:*"')
    )
    assert [action for action in allowed_actions(template) if "*" in action] == ["ecr:*"]


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


def test_what_markdown_reads_as_its_own_does_not_break_a_block() -> None:
    assert table(["a", "b"], [["x | y", "two\nlines"]]) == (
        "| a | b |\n| --- | --- |\n| x \\| y | two lines |"
    )
    assert code("```\ninner\n```", "text") == "````text\n```\ninner\n```\n````"
    assert literal("a`b\nc") == "`a'b c`"
