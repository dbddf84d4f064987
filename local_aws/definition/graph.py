"""The graph of a pipeline, from its JSON definition.

It shows the steps, their inputs from steps and parameters, and the branches of conditions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.definition.conditions import COMPARISONS
from local_aws.definition.expressions import Reference, references
from local_aws.definition.steps import BRANCHES, Step, all_steps, own_references

PARAMETERS = "Parameters"  # the kind of a node that stands for parameters, not for a step
END = "End"  # the kind of the node where nothing more is to be done

DATA, TRUE, FALSE, ORDER = "data", "true", "false", "order"

LONGEST = 18  # characters of a parameter's default; of a longer one the end is shown


@dataclass(frozen=True)
class Node:
    """A box of the graph."""

    kind: str  # PARAMETERS, END or the type of the step
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another."""

    begin: int  # index of a node
    end: int
    kind: str  # DATA, TRUE, FALSE or ORDER (DependsOn)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """The nodes and edges of a definition, independent of a drawing format."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def read_graph(definition: Mapping[str, Any]) -> Graph:
    """Return the graph of a definition.

    The nodes are groups of parameters that the same steps use, then the steps in their order, then
    the end if a condition has an empty branch.
    """
    steps = list(all_steps(definition["Steps"]))
    uses = {step["Name"]: own_references(step) for step in steps}
    users: dict[tuple[str, ...], list[str]] = {}
    for parameter in definition.get("Parameters", []):
        name = parameter["Name"]
        using = tuple(
            step
            for step, found in uses.items()
            if any((each.kind, each.path[0]) == (PARAMETERS, name) for each in found)
        )
        users.setdefault(using, []).append(f"{name} = {_short(parameter.get('DefaultValue'))}")

    nodes = [Node(PARAMETERS, tuple(lines)) for lines in users.values()]
    place = {step["Name"]: len(nodes) + index for index, step in enumerate(steps)}
    nodes += [
        Node(step["Type"], (step["Name"], f"{step['Type']} step", *_conditions(step)))
        for step in steps
    ]
    edges = [Edge(index, place[step], DATA) for index, using in enumerate(users) for step in using]
    for step in steps:
        name = step["Name"]
        taken: dict[str, list[str]] = {}
        for each in uses[name]:
            if each.kind == "Steps":
                taken.setdefault(str(each.path[0]), []).append(_property(each))
        edges += [
            Edge(place[other], place[name], DATA, tuple(dict.fromkeys(labels)))
            for other, labels in taken.items()
        ]
        edges += [Edge(place[other], place[name], ORDER) for other in step.get("DependsOn", [])]
        for branch, key in zip((TRUE, FALSE), BRANCHES, strict=True):
            if step["Type"] != "Condition":
                continue
            firsts = [place[each["Name"]] for each in step["Arguments"].get(key, [])]
            if not firsts:
                firsts = [len(place) + len(users)]
                if len(nodes) == firsts[0]:
                    nodes.append(Node(END, ("End",)))
            edges += [Edge(place[name], each, branch, (branch,)) for each in firsts]
    return Graph(tuple(nodes), tuple(edges))


def mermaid(definition: Mapping[str, Any]) -> str:
    """Return the graph as a flowchart of Mermaid (https://mermaid.js.org, "Flowcharts").

    Thin arrows are data, thick arrows are results of a condition, dotted arrows are only an order.
    """
    graph = read_graph(definition)
    lines = [UNWRAPPED, "flowchart TD"]
    for index, node in enumerate(graph.nodes):
        before, after = SHAPES.get(node.kind, ("[", "]"))
        lines.append(f'    n{index}{before}"{_text(node.lines)}"{after}')
    for edge in graph.edges:
        arrow = ARROWS[edge.kind]
        label = f'|"{_text(edge.labels)}"|' if edge.labels else ""
        lines.append(f"    n{edge.begin} {arrow}{label} n{edge.end}")
    return "\n".join(lines) + "\n"


# Mermaid breaks lines at 200 pixels else.
UNWRAPPED = '%%{init: {"flowchart": {"wrappingWidth": 400}}}%%'

SHAPES = {
    PARAMETERS: ("(", ")"),
    "Condition": ("{{", "}}"),
    "Fail": ("[[", "]]"),
    END: ("([", "])"),
}
ARROWS = {DATA: "-->", TRUE: "==>", FALSE: "==>", ORDER: "-.->"}


def _text(lines: Iterable[str]) -> str:
    return "<br/>".join(_escape(line) for line in lines)


def _escape(text: str) -> str:
    """Replace the characters that have a meaning in Mermaid by their numeric codes."""
    return re.sub(r'["#<>&`;]', lambda match: f"#{ord(match[0])};", text)


def _conditions(step: Step) -> Iterator[str]:
    if step["Type"] == "Condition":
        for each in step["Arguments"]["Conditions"]:
            sign, _ = COMPARISONS.get(each["Type"], ("", None))
            sides = (_side(each[key]) for key in ("LeftValue", "RightValue")) if sign else ()
            yield f" {sign} ".join(sides) or each["Type"]


def _side(value: Any) -> str:
    if isinstance(value, dict) and "Std:JsonGet" in value:
        return str(value["Std:JsonGet"]["Path"])
    return ", ".join(_property(each) for each in references(value)) or str(value)


def _property(reference: Reference) -> str:
    """Return the label of a property: its name, or the name of the metric."""
    _, *names = reference.path
    if names[:1] == ["FinalMetricDataList"]:
        return str(names[1])
    return str(reference.path[-1])


def _short(value: Any) -> str:
    text = "(no default)" if value is None else str(value)
    return text if len(text) <= LONGEST else f"...{text[3 - LONGEST :]}"
