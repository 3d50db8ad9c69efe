"""What a process counts comes out in the text format, under bounded labels, and apart from other processes' numbers."""

import os
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kernel.db.timing import QueryClock, name_statement
from kernel.metrics import (
    FOLDER_VARIABLE,
    JOBS_WAITING,
    OF_THE_LEDGER,
    RECORDED,
    WASM_INSTANCES,
    Metrics,
    Reading,
    forget_gauges,
)
from tests.checks.sources import ROOT

COUNT_AS_SIBLING = """
import sys
from kernel.metrics import WASM_INSTANCES, Metrics
metrics = Metrics.share(int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    metrics.count_request("GET", "/a", 200, 0.003)
metrics.set_gauge(WASM_INSTANCES, 5, "ready")
sys.stdout.buffer.write(metrics.render())
"""


def read_samples(text):
    """Every sample by its name and its labels in the order of their names, as Prometheus reads them."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_two_registries_in_one_process_know_nothing_of_each_other():
    first, second = Metrics(), Metrics()
    first.count_request("GET", "/a", 200, 0.1)
    assert read_samples(first.render())["trovato_http_requests_total", "GET", "/a", "200"] == 1
    assert ("trovato_http_requests_total", "GET", "/a", "200") not in read_samples(second.render())


def test_every_method_moves_its_series():
    metrics = Metrics()
    metrics.count_request("GET", "/a", 304, 0.02)
    metrics.count_lookup("page", hit=True)
    metrics.count_query("select", 0.002)
    metrics.count_tap("blog", "tap_item_view", "timeout", 0.2)
    metrics.count_job("save_item", "done", 0.03)
    metrics.count_pickup("save_item", 0.004)
    metrics.set_gauge(WASM_INSTANCES, 3, "leased")
    samples = read_samples(metrics.render([Reading(JOBS_WAITING, ("save_item",), 7)]))
    assert samples["trovato_http_requests_total", "GET", "/a", "304"] == 1
    assert samples["trovato_http_request_seconds_sum", "GET", "/a", "3xx"] == 0.02
    assert samples["trovato_cache_lookups_total", "hit", "page"] == 1
    assert samples["trovato_database_query_seconds_bucket", "0.0025", "select"] == 1
    assert samples["trovato_database_query_seconds_bucket", "0.001", "select"] == 0
    assert samples["trovato_tap_seconds_count", "timeout", "blog", "tap_item_view"] == 1
    assert samples["trovato_job_seconds_count", "save_item", "done"] == 1
    assert samples["trovato_job_pickup_seconds_sum", "save_item"] == 0.004
    assert samples["trovato_wasm_instances", "leased"] == 3
    assert samples["trovato_jobs_waiting", "save_item"] == 7
    assert samples["trovato_processes",] == 1


def test_watchers_bring_gauges_up_to_date():
    metrics, instances = Metrics(), [4]
    metrics.watch(lambda: metrics.set_gauge(WASM_INSTANCES, instances[0], "ready"))
    metrics.refresh()
    instances[0] = 2
    assert read_samples(metrics.render())["trovato_wasm_instances", "ready"] == 4
    metrics.refresh()
    assert read_samples(metrics.render())["trovato_wasm_instances", "ready"] == 2


def test_names_follow_the_rules_of_prometheus():
    names = [series.name for series in (*RECORDED, *OF_THE_LEDGER)]
    assert len(set(names)) == len(names)
    for series in (*RECORDED, *OF_THE_LEDGER):
        assert series.name.startswith("trovato_")
        assert series.meaning.endswith(".")
        assert (series.kind == "histogram") == bool(series.buckets_s)
        assert not series.name.endswith(("_total", "_count", "_sum", "_bucket"))


def run_sibling(folder, place, requests):
    """A process that counts so many requests, and what it answers when it is asked."""
    return subprocess.run(
        [sys.executable, "-c", COUNT_AS_SIBLING, str(place), str(requests)],
        env={**os.environ, FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout


def test_siblings_answer_for_each_other_and_outlive_each_other(tmp_path):
    request = ("trovato_http_requests_total", "GET", "/a", "200")
    assert read_samples(run_sibling(tmp_path, 1, 3))[request] == 3
    both = read_samples(run_sibling(tmp_path, 2, 4))
    assert (both[request], both["trovato_wasm_instances", "ready"]) == (7, 10)
    assert both["trovato_http_request_seconds_count", "GET", "/a", "2xx"] == 7
    assert both["trovato_http_request_seconds_bucket", "0.005", "GET", "/a", "2xx"] == 7

    # What the first held has gone with it, and what it counted has not; its successor goes on from there.
    forget_gauges(tmp_path, 1)
    again = read_samples(run_sibling(tmp_path, 2, 1))
    assert (again[request], again["trovato_wasm_instances", "ready"], again["trovato_processes",]) == (
        8,
        5,
        1,
    )
    files = len(list(tmp_path.iterdir()))
    later = read_samples(run_sibling(tmp_path, 1, 1))
    assert (later[request], later["trovato_wasm_instances", "ready"], later["trovato_processes",]) == (
        9,
        10,
        2,
    )
    assert len(list(tmp_path.iterdir())) == files + 1


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("SELECT 1", "select"),
        ("\n    UPDATE job SET x = 1", "update"),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;", "begin"),
        ("COMMIT;", "commit"),
        ("WITH a AS (SELECT 1) DELETE FROM b", "with"),
        ("VACUUM", "other"),
        ("-- a comment\nSELECT 1", "other"),
        ("", "other"),
    ],
)
def test_statements_are_named_by_their_first_word(query, name):
    assert name_statement(query) == name


def test_statements_without_end_leave_no_memory_and_no_labels():
    metrics = Metrics()
    clock = QueryClock(metrics)
    for number in range(5_000):
        clock.note(f"FROB{number} x", 0.0)
    assert len(clock._known) <= 1_000
    counts = [
        key for key in read_samples(metrics.render()) if key[0] == "trovato_database_query_seconds_count"
    ]
    assert counts == [("trovato_database_query_seconds_count", "other")]
