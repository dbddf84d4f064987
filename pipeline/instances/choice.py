"""The choice of the smallest instance type among those that a training job can have."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from container.errors import InputError
from local_aws.service_model import training_instance_types
from pipeline.instances.facts import ALL_JOBS, ON_DEMAND, SPOT, Facts, Quota, Size
from pipeline.instances.price_list import Price

# Their training hours are free for a time in the free tier, where an account has it ("Amazon
# SageMaker pricing", Free Tier).
FREE_TIER = ("ml.m4.xlarge", "ml.m5.xlarge")

# The memory of an instance must be so many times the peak of the training program: a choice of this
# project, for what else runs on the instance and for data that grows.
MEMORY_FACTOR = 2


@dataclass(frozen=True)
class JobRequirements:
    """The requirements of a job for its instance type."""

    instances: int
    spot: bool
    peak_memory_mib: int | None  # None: not measured yet

    @property
    def purchase(self) -> str:
        """How the instances are bought: SPOT or ON_DEMAND."""
        return SPOT if self.spot else ON_DEMAND

    @property
    def memory_mib(self) -> int:
        """The least memory of an instance: a multiple of the measured peak; 0 without one."""
        return MEMORY_FACTOR * (self.peak_memory_mib or 0)


@dataclass(frozen=True)
class Candidate:
    """An instance type in this account; None for values that AWS does not list."""

    instance_type: str
    size: Size | None
    price: Price | None
    on_demand: Quota | None
    spot: Quota | None
    problems: tuple[str, ...]  # why the job cannot have it

    @property
    def usable(self) -> bool:
        """Whether the job can have this type."""
        return not self.problems

    def quota(self, purchase: str) -> Quota | None:
        """Return the account's quota for this type and purchase, or None when AWS lists none."""
        return self.spot if purchase == SPOT else self.on_demand

    @property
    def by_size(self) -> tuple[float, ...]:
        """The sort key by size: memory, then vCPU, then price."""
        price = self.price.usd_per_hour if self.price else float("inf")
        size = (self.size.memory_mib, self.size.vcpus) if self.size else (float("inf"),) * 2
        return (*size, price)

    @property
    def by_price(self) -> tuple[float, ...]:
        """The sort key by price; types without one come last."""
        return (self.by_size[-1], *self.by_size)


def evaluate(facts: Facts, job: JobRequirements) -> list[Candidate]:
    """Return all training instance types with the problems of each for the job, cheapest first.

    When the price list is empty for the region, a missing price is not a problem.
    """
    found = []
    for each in training_instance_types():
        size = facts.sizes.get(each)
        problems = [
            _quota_problem(facts.quotas.get((each, job.purchase)), job),
            _all_jobs_problem(_all_jobs_quota(facts, job), job),
            None if size else "not in the region",
            _memory_problem(size, job),
            None if each in facts.prices or not facts.prices else "not in the price list",
        ]
        found.append(
            Candidate(
                instance_type=each,
                size=size,
                price=facts.prices.get(each),
                on_demand=facts.quotas.get((each, ON_DEMAND)),
                spot=facts.quotas.get((each, SPOT)),
                problems=tuple(problem for problem in problems if problem),
            )
        )
    return sorted(found, key=lambda each: (each.by_price, each.instance_type))


def _quota_problem(quota: Quota | None, job: JobRequirements) -> str | None:
    if quota is None:
        return f"no quota code {job.purchase}"
    if quota.instances < job.instances:
        return f"quota {quota.instances:g} {job.purchase}"
    return None


def _all_jobs_quota(facts: Facts, job: JobRequirements) -> Quota | None:
    return facts.quotas.get((ALL_JOBS[job.purchase], job.purchase))


def _all_jobs_problem(quota: Quota | None, job: JobRequirements) -> str | None:
    if quota is None or quota.instances >= job.instances:
        return None
    return f"quota {quota.instances:g} {job.purchase} for all jobs together"


def _memory_problem(size: Size | None, job: JobRequirements) -> str | None:
    if size is None or size.memory_mib >= job.memory_mib:
        return None
    return f"less memory than the {job.memory_mib} MiB needed"


def smallest(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate with the least memory, then the fewest vCPU, then the lowest price."""
    return min(candidates, key=lambda each: each.by_size, default=None)


def cheapest(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate with the lowest price, or None when no price is known."""
    priced = (each for each in candidates if each.price)
    return min(priced, key=lambda each: each.by_price, default=None)


def usable(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates without a problem."""
    return [each for each in candidates if each.usable]


def smaller_than(best: Candidate, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the types that are smaller, the smallest first."""
    smaller = [each for each in candidates if each.size and each.by_size < best.by_size]
    return sorted(smaller, key=lambda each: each.by_size)


def choose_smallest(facts: Facts, job: JobRequirements, region: str) -> Candidate:
    """Return the smallest usable type. Raises InputError with all reasons and a remediation."""
    candidates = evaluate(facts, job)
    best = smallest(usable(candidates))
    if best is None:
        raise InputError(
            f"no instance type can train {job.purchase} in {region}: {reasons(candidates)}",
            _remediation(facts, candidates, job, region),
        )
    return best


def reasons(candidates: Iterable[Candidate]) -> str:
    """Return the number of types for each problem; a type can have several."""
    counts = Counter(problem for each in candidates for problem in each.problems)
    return ", ".join(f"{count} {problem}" for problem, count in counts.most_common())


def _remediation(
    facts: Facts, candidates: Iterable[Candidate], job: JobRequirements, region: str
) -> str:
    quota = _quota_to_raise(facts, candidates, job)
    if quota is None:
        return "choose another region in pipeline.yaml, or a smaller data_file"
    request = quota_request(quota, job, region)
    other = smallest(usable(evaluate(facts, replace(job, spot=not job.spot))))
    if other is None:
        return request
    spot = str(not job.spot).lower()
    return f"{request}; or set spot: {spot} in pipeline.yaml, which can have {other.instance_type}"


def quota_request(quota: Quota, job: JobRequirements, region: str) -> str:
    """Return the command that requests a sufficient quota from AWS."""
    return (
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        f"--quota-code {quota.code} --desired-value {job.instances} --region {region}"
    )


def _quota_to_raise(
    facts: Facts, candidates: Iterable[Candidate], job: JobRequirements
) -> Quota | None:
    """Return the quota for all jobs, or that of the smallest type without another problem."""
    all_jobs = _all_jobs_quota(facts, job)
    if _all_jobs_problem(all_jobs, job):
        return all_jobs
    lacking = smallest(
        each
        for each in candidates
        if each.problems == (_quota_problem(quota := each.quota(job.purchase), job),) and quota
    )
    return lacking.quota(job.purchase) if lacking else None
