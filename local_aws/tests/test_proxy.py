"""AWS's own host names are answered on this machine, and no other host is called."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from local_aws.tests.conftest import keys
from local_aws.tests.jobs import Jobs, make_role

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

AWS = Callable[..., Any]


@pytest.fixture
def aws(environment: dict[str, str], clients: Clients) -> AWS:
    """Makes a client that calls a URL through the proxy, like a program told by the environment."""
    proxies = {"http": environment["HTTP_PROXY"], "https": environment["HTTPS_PROXY"]}

    def client(service: str, url: str | None = None, **config: Any) -> Any:
        return boto3.client(
            service,
            region_name=clients.region,
            endpoint_url=url,
            aws_access_key_id=keys(clients)[0],
            aws_secret_access_key=keys(clients)[1],
            verify=environment["AWS_CA_BUNDLE"],
            config=Config(
                proxies=proxies,
                ignore_configured_endpoint_urls=True,  # of another local AWS of the tests
                retries={"total_max_attempts": 1},
                **config,
            ),
        )

    return client


@pytest.fixture
def proxy(environment: dict[str, str]) -> urllib3.ProxyManager:
    """The proxy, for requests that no AWS client would send."""
    bundle = environment["REQUESTS_CA_BUNDLE"]
    return urllib3.ProxyManager(environment["HTTPS_PROXY"], ca_certs=bundle, retries=False)


@pytest.mark.parametrize(
    "host",
    [
        "sts.us-east-1.amazonaws.com",
        "sts.amazonaws.com",
        "sts.us-east-1.api.aws",
        "sts.cn-north-1.amazonaws.com.cn",
        "sts.eusc-de-east-1.amazonaws.eu",
        "sts.us-iso-east-1.c2s.ic.gov",
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_caller_is_a_session_of_a_role_that_sagemaker_trusts(
    scheme: str, host: str, aws: AWS
) -> None:
    arn = aws("sts", f"{scheme}://{host}").get_caller_identity()["Arn"]
    kind, role, _ = arn.rpartition(":")[2].split("/")
    assert (arn.split(":")[2], kind) == ("sts", "assumed-role")
    trust = aws("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}


@pytest.mark.parametrize("style", ["virtual", "path"])
def test_objects_are_kept_under_the_host_names_of_their_bucket(
    style: str, aws: AWS, clients: Clients
) -> None:
    s3 = aws("s3", s3={"addressing_style": style})
    for bucket in (f"{style}-bucket", f"{style}.s3.dotted"):
        if style == "virtual" and "." in bucket:  # only then is a dotted name a name in TLS
            s3 = aws("s3", "http://s3.us-east-1.amazonaws.com", s3={"addressing_style": style})
        s3.create_bucket(Bucket=bucket)
        for key in ("a/b+c d", "ä/ö", "q?x=1&y", "//two", "moto-api/reset"):
            s3.put_object(Bucket=bucket, Key=key, Body=key.encode() * 50_000)
            assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode() * 50_000
            clients.client("s3").head_object(Bucket=bucket, Key=key)


def test_a_presigned_url_with_the_name_of_aws_is_answered(
    aws: AWS, proxy: urllib3.ProxyManager
) -> None:
    s3 = aws("s3", s3={"addressing_style": "virtual"})
    s3.create_bucket(Bucket="presigned-proxied")
    s3.put_object(Bucket="presigned-proxied", Key="a b", Body=b"x")
    named = {"Bucket": "presigned-proxied", "Key": "a b"}
    url = s3.generate_presigned_url("get_object", named)
    assert "presigned-proxied.s3" in url
    assert proxy.request("GET", url).data == b"x"


@pytest.mark.parametrize("host", ["example.com", "notamazonaws.com", "amazonaws.com.example.com"])
def test_a_host_that_is_not_one_of_aws_is_refused_by_name(
    host: str, proxy: urllib3.ProxyManager
) -> None:
    refused = f"{host} is not a host of AWS: local AWS passes nothing on"
    with pytest.raises(urllib3.exceptions.ProxyError) as error:
        proxy.request("GET", f"https://{host}/path")
    assert str(error.value.original_error).endswith(f": 403 {refused}")
    answer = proxy.request("GET", f"http://{host}/path")
    assert (answer.status, answer.data.decode()) == (403, f"{refused}\n")


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"Origin": "https://page.example"}),
        ("/", {"Sec-Fetch-Site": "none"}),
        ("/moto-api/data.json", {}),
        ("/latest/meta-data/", {}),
    ],
)
def test_through_the_proxy_too_nobody_without_the_key_is_answered(
    path: str, headers: dict[str, str], scheme: str, proxy: urllib3.ProxyManager
) -> None:
    url = f"{scheme}://s3.us-east-1.amazonaws.com{path}"
    answer = proxy.request("GET", url, headers=headers)
    assert answer.status in (403, 404)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("https://s3.amazonaws.com/", {}, 200),
        ("https://s3.amazonaws.com/", {"Origin": "https://page.example"}, 403),
        ("https://s3.amazonaws.com/moto-api/data.json", {}, 404),
        ("https://moto-api.s3.amazonaws.com/data.json", {}, 404),
        ("http://169.254.169.254/latest/meta-data/", {}, 403),
    ],
)
def test_through_the_proxy_the_key_opens_no_more_than_at_the_endpoint(
    url: str,
    headers: dict[str, str],
    status: int,
    clients: Clients,
    proxy: urllib3.ProxyManager,
) -> None:
    request = AWSRequest("GET", url)
    SigV4Auth(boto3.Session(*keys(clients)).get_credentials(), "s3", "us-east-1").add_auth(request)
    assert proxy.request("GET", url, headers={**request.headers, **headers}).status == status


def test_the_key_of_the_authority_is_not_on_disk(environment: dict[str, str]) -> None:
    bundle = Path(environment["SSL_CERT_FILE"])
    (file,) = bundle.parent.iterdir()
    assert "CERTIFICATE" in file.read_text()
    assert "PRIVATE" not in file.read_text()


def test_a_policy_that_aws_manages_can_be_attached(clients: Clients) -> None:
    iam, policy = clients.client("iam"), "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    make_role(clients, "managed")
    iam.attach_role_policy(RoleName="managed", PolicyArn=policy)
    attached = iam.list_attached_role_policies(RoleName="managed")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [policy]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.attach_role_policy(RoleName="managed", PolicyArn=f"{policy}s")


# In one line: a hyperparameter has no others.
CALL = (
    "import boto3; sts = boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com'); "
    "print(sts.get_caller_identity()['Arn'])"
)


def test_the_program_of_a_job_calls_aws_with_the_role_of_the_job(jobs: Jobs) -> None:
    name = jobs.start(CALL)
    assert jobs.wait(name)["TrainingJobStatus"] == "Completed", jobs.log(name)
    role = jobs.role.rpartition("/")[2]
    assert f":assumed-role/{role}/SageMaker" in jobs.log(name)[-1]


def test_a_job_without_a_network_has_no_credentials(jobs: Jobs) -> None:
    show = "print(sorted(each for each in os.environ if 'AWS' in each or 'PROXY' in each))"
    name = jobs.start(show, EnableNetworkIsolation=True)
    assert jobs.wait(name)["TrainingJobStatus"] == "Completed"
    assert json.loads(jobs.log(name)[-1]) == []
