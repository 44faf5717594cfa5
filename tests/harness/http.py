"""Asks the server under test for metrics and health, by Python's own HTTP client."""

import http.client
import ssl
from dataclasses import dataclass

from prometheus_client.openmetrics.parser import text_string_to_metric_families


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


def ask(port: int, path: str, method: str = "GET", context: ssl.SSLContext | None = None, **headers: str) -> Answer:
    """One request to a port of this machine."""
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read().decode())
    finally:
        connection.close()


class Metrics:
    """What a page of metrics says, read strictly."""

    def __init__(self, text: str):
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}

    def __call__(self, name: str, **labels: str) -> float:
        """The value of the series with these labels, or the sum of those that have them among others."""
        found = [s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        assert found, f"no {name} with {labels} among {sorted(self.names())}"
        return sum(found)


def metrics(port: int, path: str = "/metrics") -> Metrics:
    answer = ask(port, path)
    assert answer.status == 200, answer
    return Metrics(answer.body)
