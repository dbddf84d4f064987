import itertools
from collections.abc import Mapping
from dataclasses import replace

from container.errors import InputError
from local_aws.service_model import training_instance_types
from pipeline.instances.choice import (
    Candidate,
    JobRequirements,
    cheapest,
    choose_smallest,
    evaluate,
    smallest,
    usable,
)
from pipeline.instances.facts import ALL_JOBS, ON_DEMAND, SPOT, Facts, Quota, Size
from pipeline.instances.price_list import Price
from pipeline.instances.table import choices, proof, table

import pytest

REQUIREMENTS = JobRequirements(instances=1, spot=False, peak_memory_mib=100)

MEDIUM, C7I, LARGE, M4, XLARGE = (
    "ml.t3.medium",
    "ml.c7i.large",
    "ml.m5.large",
    "ml.m4.xlarge",
    "ml.m5.xlarge",
)
SIZES = {
    MEDIUM: Size(4096, 2),
    C7I: Size(4096, 2),
    LARGE: Size(8192, 2),
    M4: Size(16384, 4),
    XLARGE: Size(16384, 4),
}
PRICES = {C7I: 0.2, LARGE: 0.115, M4: 0.24, XLARGE: 0.23}


def price(usd: float) -> Price:
    return Price(usd, "USE1-Train:any", "2026-01-01T00:00:00Z")


def facts(
    on_demand: Mapping[str, float],
    spot: Mapping[str, float] | None = None,
    prices: Mapping[str, float] = PRICES,
    sizes: Mapping[str, Size] = SIZES,
) -> Facts:
    """Quotas by type; the code of each is its place, as in L-0."""
    entries = [(each, ON_DEMAND, most) for each, most in on_demand.items()]
    entries += [(each, SPOT, most) for each, most in (spot or {}).items()]
    return Facts(
        {
            (each, purchase): Quota(f"L-{n}", most)
            for n, (each, purchase, most) in enumerate(entries)
        },
        {each: price(usd) for each, usd in prices.items()},
        sizes,
    )


def evaluated(instance_type: str, given: Facts, job: JobRequirements = REQUIREMENTS) -> Candidate:
    (found,) = (each for each in evaluate(given, job) if each.instance_type == instance_type)
    return found


def without(table: Mapping[str, float], name: str) -> dict[str, float]:
    return {each: value for each, value in table.items() if each != name}


@pytest.mark.parametrize(
    ("given", "job", "problem"),
    [
        (facts({}), REQUIREMENTS, "no quota code on demand"),
        (facts({LARGE: 5}), replace(REQUIREMENTS, spot=True), "no quota code spot"),
        (facts({LARGE: 0}, {LARGE: 4}), REQUIREMENTS, "quota 0 on demand"),
        (facts({LARGE: 4}, {LARGE: 0}), replace(REQUIREMENTS, spot=True), "quota 0 spot"),
        (facts({LARGE: 1}), replace(REQUIREMENTS, instances=2), "quota 1 on demand"),
        (
            facts({LARGE: 5, ALL_JOBS[ON_DEMAND]: 0}),
            REQUIREMENTS,
            "quota 0 on demand for all jobs together",
        ),
        (facts({LARGE: 5}, sizes={}), REQUIREMENTS, "not in the region"),
        (
            facts({LARGE: 5}),
            replace(REQUIREMENTS, peak_memory_mib=4097),
            "less memory than the 8194 MiB needed",
        ),
        (facts({LARGE: 5}, prices=without(PRICES, LARGE)), REQUIREMENTS, "not in the price list"),
    ],
)
def test_a_type_is_ruled_out_with_its_reason(
    given: Facts, job: JobRequirements, problem: str
) -> None:
    assert evaluated(LARGE, given, job).problems == (problem,)


@pytest.mark.parametrize(
    ("given", "job"),
    [
        (facts({LARGE: 1}), REQUIREMENTS),
        (facts({LARGE: 0}, {LARGE: 1}), replace(REQUIREMENTS, spot=True)),
        (facts({LARGE: 1, ALL_JOBS[ON_DEMAND]: 1, ALL_JOBS[SPOT]: 0}), REQUIREMENTS),
        (facts({LARGE: 1}), replace(REQUIREMENTS, peak_memory_mib=4096)),
        (facts({LARGE: 1}), replace(REQUIREMENTS, peak_memory_mib=None)),
        (facts({LARGE: 1}, prices={}), REQUIREMENTS),  # nothing is known of the region's prices
    ],
)
def test_a_type_that_lacks_nothing_is_usable(given: Facts, job: JobRequirements) -> None:
    assert evaluated(LARGE, given, job).usable


def test_every_reason_is_given() -> None:
    nothing = evaluated(LARGE, Facts({}, {M4: price(0.24)}, {}))
    assert nothing.problems == (
        "no quota code on demand",
        "not in the region",
        "not in the price list",
    )


def test_every_training_instance_type_is_judged_and_the_cheapest_comes_first() -> None:
    found = evaluate(facts({}), REQUIREMENTS)
    assert sorted(each.instance_type for each in found) == training_instance_types()
    assert [each.instance_type for each in found[:5]] == [LARGE, C7I, XLARGE, M4, MEDIUM]
    assert all(each.price is None for each in found[4:])


def test_smallest_is_by_memory_then_vcpu_then_price() -> None:
    sizes = {LARGE: Size(8192, 2), C7I: Size(4096, 8), MEDIUM: Size(4096, 4), XLARGE: Size(4096, 4)}
    given = facts(dict.fromkeys(sizes, 1), prices={**PRICES, MEDIUM: 0.24}, sizes=sizes)
    candidates = usable(evaluate(given, REQUIREMENTS))
    for count, expected in ((4, XLARGE), (3, MEDIUM), (2, C7I), (1, LARGE)):
        assert len(candidates) == count
        best = smallest(candidates)
        assert best
        assert best.instance_type == expected
        candidates.remove(best)
    assert smallest(candidates) is None


def test_smallest_cheapest_and_free_can_be_three_types() -> None:
    given = facts({C7I: 1, LARGE: 1, XLARGE: 1, M4: 0})
    candidates = evaluate(given, REQUIREMENTS)
    small, cheap = smallest(usable(candidates)), cheapest(usable(candidates))
    assert small
    assert cheap
    assert (small.instance_type, cheap.instance_type) == (C7I, LARGE)
    assert choices(candidates).splitlines() == [
        "smallest         ml.c7i.large, 4 GiB, 2 vCPU, 0.2 USD/hour; usable",
        "smallest usable  ml.c7i.large, 4 GiB, 2 vCPU, 0.2 USD/hour; usable",
        "cheapest         ml.m5.large, 8 GiB, 2 vCPU, 0.115 USD/hour; usable",
        "cheapest usable  ml.m5.large, 8 GiB, 2 vCPU, 0.115 USD/hour; usable",
        "free tier        ml.m5.xlarge, 16 GiB, 4 vCPU, 0.23 USD/hour; usable",
        "free tier        ml.m4.xlarge, 16 GiB, 4 vCPU, 0.24 USD/hour; "
        "not usable: quota 0 on demand",
    ]


def test_the_cheapest_has_a_price() -> None:
    assert cheapest(evaluate(facts({}, prices={}), REQUIREMENTS)) is None


def test_the_table_has_a_line_for_each_type_with_what_is_known_of_it() -> None:
    header, *lines = table(
        evaluate(facts({LARGE: 15, XLARGE: 0}, {LARGE: 4}), REQUIREMENTS)
    ).splitlines()
    assert " ".join(header.split()) == "instance type USD/hour GiB vCPU on demand spot usable"
    assert len(lines) == len(training_instance_types())
    by_type = {line.split()[0]: line.split(maxsplit=6)[1:] for line in lines}
    assert by_type[LARGE] == ["0.115", "8", "2", "15", "4", "yes"]
    assert by_type[XLARGE] == ["0.23", "16", "4", "0", "-", "no: quota 0 on demand"]
    assert by_type["ml.p5.48xlarge"][:5] == ["-"] * 5


def run_on(instance_type: str) -> dict[str, object]:
    return {
        "instance_type": instance_type,
        "training_job_name": "pipelines-a-Train-b",
        "training_seconds": 33,
        "endpoint": "https://api.sagemaker.us-east-1.amazonaws.com",
    }


def test_the_proof_says_what_is_smaller_the_quota_the_memory_and_the_run() -> None:
    given = facts({C7I: 0, LARGE: 15})
    candidates, best = evaluate(given, REQUIREMENTS), evaluated(LARGE, given)
    assert proof(candidates, best, REQUIREMENTS, [run_on(XLARGE), run_on(LARGE)]).splitlines() == [
        "ml.m5.large is the smallest: of 225 training instance types 2 are smaller, and none of "
        "them is usable (1 quota 0 on demand, 1 no quota code on demand, 1 not in the price list).",
        "The account may have 15 of it on demand (quota L-1).",
        "The training program used at most 100 MiB; 2 times that must fit.",
        "Training job pipelines-a-Train-b completed on it in 33 s, at "
        "https://api.sagemaker.us-east-1.amazonaws.com.",
    ]


def test_without_a_run_on_that_very_type_nothing_is_proved() -> None:
    given, job = facts({C7I: 1}), replace(REQUIREMENTS, peak_memory_mib=None)
    candidates, best = evaluate(given, job), evaluated(C7I, given, job)
    lines = proof(candidates, best, job, [run_on(LARGE)]).splitlines()
    assert lines[2].startswith("The memory that the job needs is unknown before its first run")
    assert lines[3].startswith("Not proved yet: no run on ml.c7i.large has completed")


REQUEST = "aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code "


@pytest.mark.parametrize(
    ("given", "job", "hint"),
    [
        # The smallest of those that lack a quota only: C7I comes before LARGE, MEDIUM has no price.
        (
            facts({LARGE: 0, C7I: 0, MEDIUM: 0}),
            REQUIREMENTS,
            f"{REQUEST}L-1 --desired-value 1 --region eu-west-1",
        ),
        (
            facts({LARGE: 0}, {LARGE: 4}),
            REQUIREMENTS,
            f"{REQUEST}L-0 --desired-value 1 --region eu-west-1; "
            "or set spot: true in pipeline.yaml, which can have ml.m5.large",
        ),
        (
            facts({LARGE: 4}, {LARGE: 0}),
            replace(REQUIREMENTS, spot=True),
            f"{REQUEST}L-1 --desired-value 1 --region eu-west-1; "
            "or set spot: false in pipeline.yaml, which can have ml.m5.large",
        ),
        (
            facts({LARGE: 4, ALL_JOBS[ON_DEMAND]: 0}),
            REQUIREMENTS,
            f"{REQUEST}L-1 --desired-value 1 --region eu-west-1",
        ),
        (facts({}), REQUIREMENTS, "choose another region in pipeline.yaml, or a smaller data_file"),
    ],
)
def test_when_nothing_is_usable_the_hint_says_what_to_do(
    given: Facts, job: JobRequirements, hint: str
) -> None:
    with pytest.raises(InputError) as caught:
        choose_smallest(given, job, "eu-west-1")
    assert caught.value.hint == hint
    reason = str(caught.value).splitlines()[0]
    assert reason.startswith(f"no instance type can train {job.purchase} in eu-west-1: ")


def test_the_reasons_are_counted() -> None:
    with pytest.raises(InputError) as caught:
        choose_smallest(facts({LARGE: 0}), REQUIREMENTS, "us-east-1")
    counts = str(caught.value).splitlines()[0].partition(": ")[2].split(", ")
    assert "1 quota 0 on demand" in counts
    assert f"{len(training_instance_types()) - 1} no quota code on demand" in counts


def test_more_memory_needed_never_makes_the_choice_smaller() -> None:
    given = facts(dict.fromkeys(PRICES, 1))
    needs = [
        replace(REQUIREMENTS, peak_memory_mib=peak) for peak in (None, 1, 2048, 2049, 4097, 8192)
    ]
    chosen = [choose_smallest(given, job, "us-east-1") for job in needs]
    assert [each.instance_type for each in chosen] == [C7I, C7I, C7I, LARGE, XLARGE, XLARGE]
    for smaller, larger in itertools.pairwise(chosen):
        assert smaller.by_size <= larger.by_size
    with pytest.raises(InputError, match="less memory than the 16386 MiB needed"):
        choose_smallest(given, replace(REQUIREMENTS, peak_memory_mib=8193), "us-east-1")
