"""The graph of a pipeline, from its JSON definition."""

import json
from typing import Any

from local_aws.definition.graph import (
    DATA,
    END,
    FALSE,
    ORDER,
    PARAMETERS,
    TRUE,
    UNWRAPPED,
    mermaid,
    read_graph,
)
from pipeline import definition

import pytest
from conftest import ROOT
from generated import assert_section_current

PAGE = ROOT / "docs" / "architecture.md"
STORED = ROOT / "tests" / "definition.json"
DEFINITION = json.loads(STORED.read_text("utf-8"))


def step(name: str, kind: str = "Training", **arguments: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": arguments}


def edges_of(definition: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Between which nodes, of which kind, with which labels."""
    graph = read_graph(definition)
    first = [node.lines[0] for node in graph.nodes]
    return [
        (first[each.begin], first[each.end], each.kind, ", ".join(each.labels))
        for each in graph.edges
    ]


def test_the_projects_pipeline_trains_then_registers_or_fails() -> None:
    graph = read_graph(DEFINITION)
    assert [(node.kind, node.lines[0]) for node in graph.nodes] == [
        (PARAMETERS, "InstanceType = ml.m5.large"),
        (PARAMETERS, "ImageUri = ...000000000000000"),
        (PARAMETERS, "SourceRevision = 0000000000000000"),
        (PARAMETERS, "MinValidationAuc = 0.8"),
        ("Training", "Train"),
        ("Condition", "CheckValidationAuc"),
        ("RegisterModel", "Candidate-RegisterModel"),
        ("Fail", "ValidationAucTooLow"),
    ]
    metrics = "validation:accuracy, validation:auc, validation:f1, validation:log_loss"
    registered = f"TrainingJobArn, {metrics}, S3ModelArtifacts"
    assert edges_of(DEFINITION) == [
        ("InstanceType = ml.m5.large", "Train", DATA, ""),
        ("ImageUri = ...000000000000000", "Train", DATA, ""),
        ("ImageUri = ...000000000000000", "Candidate-RegisterModel", DATA, ""),
        ("SourceRevision = 0000000000000000", "Candidate-RegisterModel", DATA, ""),
        ("MinValidationAuc = 0.8", "CheckValidationAuc", DATA, ""),
        ("MinValidationAuc = 0.8", "ValidationAucTooLow", DATA, ""),
        ("Train", "CheckValidationAuc", DATA, "validation:auc"),
        ("CheckValidationAuc", "Candidate-RegisterModel", TRUE, "true"),
        ("CheckValidationAuc", "ValidationAucTooLow", FALSE, "false"),
        ("Train", "Candidate-RegisterModel", DATA, registered),
        ("Train", "ValidationAucTooLow", DATA, "validation:auc"),
    ]


def test_a_condition_is_shown_with_what_it_compares() -> None:
    auc = {"Get": "Steps.Train.FinalMetricDataList['validation:auc'].Value"}
    conditions = [
        {"Type": "LessThan", "LeftValue": auc, "RightValue": 0.5},
        {"Type": "Not", "Condition": {"Type": "In", "QueryValue": auc, "Values": [1]}},
    ]
    gate = step("Gate", "Condition", Conditions=conditions, IfSteps=[], ElseSteps=[])
    _, node, end = read_graph({"Parameters": [], "Steps": [step("Train"), gate]}).nodes
    assert node.lines == ("Gate", "Condition step", "validation:auc < 0.5", "Not")
    assert end.kind == END


def test_every_parameter_is_shown_once_with_its_default() -> None:
    shown = [line for n in read_graph(DEFINITION).nodes if n.kind == PARAMETERS for line in n.lines]
    names = [parameter["Name"] for parameter in DEFINITION["Parameters"]]
    assert sorted(line.partition(" = ")[0] for line in shown) == sorted(names)
    assert "TrainDataUri = ...a31adb3f/train/" in shown, "of a long one the end"


def test_conditions_in_conditions_and_an_order_without_data_are_edges() -> None:
    inner = step("Inner", "Condition", Conditions=[], IfSteps=[step("Deep")], ElseSteps=[])
    after = step("After") | {"DependsOn": ["Gate"]}
    gate = step("Gate", "Condition", Conditions=[], IfSteps=[inner], ElseSteps=[step("Else")])
    assert edges_of({"Parameters": [], "Steps": [gate, after]}) == [
        ("Gate", "Inner", TRUE, "true"),
        ("Gate", "Else", FALSE, "false"),
        ("Inner", "Deep", TRUE, "true"),
        ("Inner", "End", FALSE, "false"),
        ("Gate", "After", ORDER, ""),
    ]


def test_a_parameter_that_no_step_uses_stands_alone() -> None:
    definition = {"Parameters": [{"Name": "Idle"}], "Steps": [step("Train")]}
    assert read_graph(definition).edges == ()
    assert 'n0("Idle = (no default)")' in mermaid(definition)


def test_what_mermaid_reads_as_its_own_is_escaped() -> None:
    parameter = {"Name": "Text", "DefaultValue": 'a"b<c>`#;&'}
    text = mermaid({"Parameters": [parameter], "Steps": []})
    assert text == UNWRAPPED + '\nflowchart TD\n    n0("Text = a#34;b#60;c#62;#96;#35;#59;#38;")\n'


def test_every_node_and_edge_is_a_line_of_mermaid() -> None:
    graph, lines = read_graph(DEFINITION), mermaid(DEFINITION).splitlines()
    assert lines[:2] == [UNWRAPPED, "flowchart TD"]
    assert len(lines) == 2 + len(graph.nodes) + len(graph.edges)
    compared = "validation:auc #62;= MinValidationAuc"
    assert f'    n5{{{{"CheckValidationAuc<br/>Condition step<br/>{compared}"}}}}' in lines
    assert '    n5 ==>|"true"| n6' in lines


def test_the_command_prints_the_graph(capsys: pytest.CaptureFixture[str]) -> None:
    assert definition.main(["--graph"]) == 0
    assert capsys.readouterr().out == mermaid(DEFINITION)


@pytest.mark.generated
def test_the_diagram_of_the_documentation_is_the_graph() -> None:
    definition = json.loads(STORED.read_text("utf-8"))  # it may have been regenerated just now
    assert_section_current(PAGE, "graph", f"```mermaid\n{mermaid(definition)}```\n")
