"""Schemathesis over the whole OpenAPI document: no request that it makes is a fault of the server.

It comes with the dependency group "conformance".
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from starlette.testclient import TestClient

from memory.server.json_api import document
from tests.support.serving import serving, token
from tests.support.talk import talker

pytestmark = pytest.mark.slow
schemathesis = pytest.importorskip("schemathesis")
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
SCHEMA = schemathesis.openapi.from_dict(document())


@pytest.fixture
def client(home: str) -> Iterator[TestClient]:
    with serving(talker()[0], signed_in=False, requests_a_second=1e9) as opened:
        opened.headers.update(token("anna", rights="read,write,forget"))
        yield opened


@SCHEMA.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_by_the_document_is_a_fault_of_the_server(case: Any, client: TestClient) -> None:
    if "namespace" in case.path_parameters:
        case.path_parameters["namespace"] = "anna"
    sent = case.as_transport_kwargs(base_url=str(client.base_url))
    response = client.request(**sent)
    assert response.status_code < 500, (sent, response.text)
