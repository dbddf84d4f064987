"""The graph of a pipeline, from its JSON definition."""

import json
from typing import Any

from pipeline.graph import DATA, END, FALSE, ORDER, PARAMETERS, TRUE, mermaid, read_graph

from conftest import ROOT

DEFINITION = json.loads((ROOT / "tests" / "definition.json").read_text("utf-8"))


def step(name: str, kind: str = "Training", **arguments: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": arguments}


def edges_of(definition: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    graph = read_graph(definition)
    first = [node.lines[0] for node in graph.nodes]
    return [(first[each.begin], first[each.end], each.kind, each.label) for each in graph.edges]


def test_the_projects_pipeline_trains_then_passes_or_fails() -> None:
    graph = read_graph(DEFINITION)
    assert [(node.kind, node.lines[0]) for node in graph.nodes] == [
        (PARAMETERS, "InstanceType = ml.m5.large"),
        (PARAMETERS, "MinValidationAuc = 0.8"),
        ("Training", "Train"),
        ("Condition", "CheckValidationAuc"),
        ("Fail", "ValidationAucTooLow"),
        (END, "End"),
    ]
    auc = "FinalMetricDataList validation:auc Value"
    assert edges_of(DEFINITION) == [
        ("InstanceType = ml.m5.large", "Train", DATA, ""),
        ("MinValidationAuc = 0.8", "CheckValidationAuc", DATA, ""),
        ("MinValidationAuc = 0.8", "ValidationAucTooLow", DATA, ""),
        ("Train", "CheckValidationAuc", DATA, auc),
        ("CheckValidationAuc", "End", TRUE, "true"),
        ("CheckValidationAuc", "ValidationAucTooLow", FALSE, "false"),
        ("Train", "ValidationAucTooLow", DATA, auc),
    ]


def test_every_parameter_is_shown_once_with_its_default() -> None:
    shown = [line for n in read_graph(DEFINITION).nodes if n.kind == PARAMETERS for line in n.lines]
    names = [parameter["Name"] for parameter in DEFINITION["Parameters"]]
    assert sorted(line.partition(" = ")[0] for line in shown) == sorted(names)
    assert "TrainDataUri = ...f8423bd6/train/" in shown, "of a long one the end"


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
    assert text == 'flowchart TD\n    n0("Text = a#34;b#60;c#62;#96;#35;#59;#38;")\n'


def test_every_node_and_edge_is_a_line_of_mermaid() -> None:
    graph, lines = read_graph(DEFINITION), mermaid(DEFINITION).splitlines()
    assert lines[0] == "flowchart TD"
    assert len(lines) == 1 + len(graph.nodes) + len(graph.edges)
    assert '    n3{"CheckValidationAuc<br/>Condition step: GreaterThanOrEqualTo"}' in lines
    assert '    n3 ==>|"true"| n5' in lines
