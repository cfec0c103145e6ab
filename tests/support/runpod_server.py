"""RunPod on localhost: its GraphQL API, which checks each request's shape, and its proxy to pods.

The schema below is the part of RunPod's that its SDK uses; graphql-core parses and validates what
comes, so that a value which breaks out of its quotes is no longer a valid request.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "rpa_0123456789KEYKEYKEY"
SCHEMA = """
scalar Void
enum CloudTypeEnum { ALL SECURE COMMUNITY }
input EnvironmentVariableInput { key: String! value: String! }
input PodFindAndDeployOnDemandInput {
  name: String! imageName: String! cloudType: CloudTypeEnum! startSsh: Boolean gpuTypeId: String!
  supportPublicIp: Boolean gpuCount: Int! volumeInGb: Int! minVcpuCount: Int minMemoryInGb: Int
  allowedCudaVersions: [String!] dataCenterId: String dockerArgs: String! containerDiskInGb: Int!
  ports: String! volumeMountPath: String! env: [EnvironmentVariableInput!]!
}
input PodTerminateInput { podId: String! }
input PodFilter { podId: String! }
input GpuTypeFilter { id: String! }
input GpuLowestPriceInput { gpuCount: Int! }
type LowestPrice { minimumBidPrice: Float uninterruptablePrice: Float }
type GpuType {
  maxGpuCount: Int id: String displayName: String manufacturer: String memoryInGb: Int
  cudaCores: Int secureCloud: Boolean communityCloud: Boolean securePrice: Float
  communityPrice: Float oneMonthPrice: Float threeMonthPrice: Float oneWeekPrice: Float
  communitySpotPrice: Float secureSpotPrice: Float
  lowestPrice(input: GpuLowestPriceInput!): LowestPrice
}
type Port { ip: String isIpPublic: Boolean privatePort: Int publicPort: Int type: String }
type Runtime { ports: [Port!] }
type Machine { gpuDisplayName: String podHostId: String }
type Pod {
  id: String! containerDiskInGb: Int costPerHr: Float desiredStatus: String dockerArgs: String
  dockerId: String env: [String!] gpuCount: Int imageName: String lastStatusChange: String
  machineId: String memoryInGb: Float name: String podType: String port: Int ports: String
  uptimeSeconds: Int vcpuCount: Float volumeInGb: Int volumeMountPath: String runtime: Runtime
  machine: Machine
}
type User { pods: [Pod!]! }
type Query { myself: User gpuTypes(input: GpuTypeFilter): [GpuType!]! pod(input: PodFilter!): Pod }
type Mutation {
  podFindAndDeployOnDemand(input: PodFindAndDeployOnDemandInput!): Pod
  podTerminate(input: PodTerminateInput!): Void
}
"""
PRICES = {
    "NVIDIA GeForce RTX 3090": 0.5,
    "NVIDIA RTX A6000": 0.75,
    "NVIDIA A100 80GB PCIe": 1.5,
    "NVIDIA H100 80GB HBM3": 3.0,
}


@cache
def schema() -> Any:
    from graphql import build_schema

    return build_schema(SCHEMA)


NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)


class RunPod:
    """Pods that exist, and how RunPod behaves. `asked` has the SDK's operations in order."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.created: list[dict[str, Any]] = []  # inputs of the mutation, as GraphQL reads them
        self.asked: list[str] = []
        self.unexpected: list[str] = []
        self.full = False  # no machine is free
        self.serves = True  # a pod's server answers, from the second time on
        self.knocks = 0
        self.status = "RUNNING"
        self.loses = ""  # the operation whose answer gets lost, once
        self.late = 0  # lists that do not have a created pod yet
        self.stumbles = 0  # how often a pod cannot be looked at
        self.stranger = False  # another server answers for the pod's
        self.terminates_after = 0  # refusals
        self.down = False  # answers in HTML

    def myself(self, _: object) -> dict[str, Any]:
        self.asked.append("get_pods")
        if self.created and self.late:
            self.late -= 1
            return {"pods": []}
        return {"pods": list(self.pods.values())}

    def gpuTypes(self, _: object, input: dict[str, str]) -> list[dict[str, Any]]:
        self.asked.append("get_gpu")
        return [{"id": id_, "securePrice": p} for id_, p in PRICES.items() if id_ == input["id"]]

    def pod(self, _: object, input: dict[str, str]) -> dict[str, Any] | None:
        self.asked.append("get_pod")
        found = self.pods.get(input["podId"])
        if found and self.stumbles:
            self.stumbles -= 1
            raise RuntimeError(f"Something went wrong, {KEY}")
        if found and self.asked.count("get_pod") > 1:
            ports = [{"privatePort": 7453, "isIpPublic": False, "ip": "10.0.0.1"}]
            ports += [{"privatePort": 22, "isIpPublic": True, "ip": "203.0.113.7"}]
            ports[-1]["publicPort"] = 40022
            found = {**found, "runtime": {"ports": ports}, "desiredStatus": self.status}
        return found

    def podFindAndDeployOnDemand(self, _: object, input: dict[str, Any]) -> dict[str, Any]:
        self.asked.append("create_pod")
        if self.full:
            raise RuntimeError(f"{NO_CAPACITY} {KEY}")
        self.created.append(input)
        cost = PRICES[input["gpuTypeId"]] * input["gpuCount"]
        return self.add(f"pod{len(self.created)}", input["name"], costPerHr=cost)

    def podTerminate(self, _: object, input: dict[str, str]) -> None:
        self.asked.append("terminate_pod")
        if self.terminates_after:
            self.terminates_after -= 1
            raise RuntimeError("Something went wrong. Please try again later.")
        del self.pods[input["podId"]]

    def add(self, id_: str, name: str, **more: object) -> dict[str, Any]:
        """Put a pod into the account."""
        gpus = {"gpuCount": 3, "machine": {"gpuDisplayName": "A100 PCIe"}}
        about = {"desiredStatus": "RUNNING", "costPerHr": 4.5, "uptimeSeconds": 5400}
        self.pods[id_] = {"id": id_, "name": name, **gpus, **about, **more}
        return self.pods[id_]

    def answer(self, headers: Any, body: bytes) -> tuple[int, bytes]:
        """RunPod's answer to one GraphQL request; b"" when the connection is dropped."""
        if self.down:
            return 502, b"<html>Bad gateway</html>"
        if headers["authorization"] != f"Bearer {KEY}":
            return 401, b"{}"
        request = json.loads(body)
        if headers["content-type"] != "application/json" or list(request) != ["query"]:
            self.unexpected.append(f"{headers} {body!r}")
        from graphql import graphql_sync

        result = graphql_sync(schema(), request["query"], root_value=self).formatted
        for error in result.get("errors", ()):
            if not error.get("path"):  # no resolver's: parsing or validation failed
                self.unexpected.append(error["message"])
        if self.asked[-1:] == [self.loses]:
            self.loses = ""
            return 200, b""
        return 200, json.dumps(result).encode()

    def knock(self, path: str, authorization: str | None) -> int:
        """The status with which the proxy answers for a pod's server."""
        pod = path.removeprefix("/proxy/").removesuffix("/7453/v1/memory/server")
        if pod not in self.pods:
            self.unexpected.append(path)
        self.knocks += 1
        if self.stranger:
            return 401
        if not self.serves or self.knocks < 2:
            return 502
        token = next(e["value"] for e in self.created[-1]["env"] if e["key"] == "ARBOR_TOKEN")
        return 200 if authorization == f"Bearer {token}" else 401


@contextmanager
def serving_runpod() -> Iterator[tuple[RunPod, str]]:
    """RunPod at work, and its address. Fails when it was asked what its schema does not have."""
    runpod = RunPod()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/graphql"
            self._send(*runpod.answer(self.headers, body))

        def do_GET(self) -> None:
            self._send(runpod.knock(self.path, self.headers["authorization"]), b'{"arbor": "x"}')

        def _send(self, status: int, data: bytes) -> None:
            if data:
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        log_message: Callable[..., None] = lambda *_: None

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield runpod, f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
    assert runpod.unexpected == []
