"""tools/bench: what it computes, and how it answers bad arguments. Measures nothing."""

import importlib.machinery
import importlib.util
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from harness import comparison, contenders, programs, report, results, servers, session, tables  # noqa: E402


def row(contender, rounds, workload="yield/tasks:1000", threads=1, unit="ns"):
    return results.Series(workload, contender, threads, unit, rounds)


def verdicts(before, after, threshold=0.05):
    return [change.verdict for change in comparison.compare(before, after, threshold)]


class Ratios(unittest.TestCase):
    def test_ratio_is_the_median_within_rounds(self):
        # The machine was twice as slow in the second round, for both.
        self.assertEqual(results.median_ratio([10, 20, 11], [5, 10, 5]), 2)

    def test_ratio_leaves_out_rounds_that_failed(self):
        self.assertEqual(results.median_ratio([None, 20], [5, 10]), 2)
        self.assertIsNone(results.median_ratio([None, 20], [5, None]))

    def test_limits_are_not_the_best_but_have_a_ratio(self):
        ranked = {one.contender: one for one in results.ranked([row("weft", [8]), row("asio", [4]), row("epoll", [2])])}
        self.assertEqual(ranked["weft"].ratio, 2)
        self.assertEqual(ranked["asio"].ratio, 1)
        self.assertEqual(ranked["epoll"].ratio, 0.5)
        self.assertEqual(ranked["weft"].to_limit, 4)

    def test_groups_are_in_natural_order(self):
        rows = [row("weft", [1], workload=f"yield/tasks:{n}") for n in (1000, 10, 200)]
        self.assertEqual([group[0] for group in results.groups(rows)], ["yield/tasks:10", "yield/tasks:200", "yield/tasks:1000"])

    def test_behind_names_what_is_faster(self):
        ranked = results.ranked([row("weft", [8]), row("tokio", [4]), row("epoll", [1])])
        self.assertEqual(tables.behind(ranked), ["yield/tasks:1000, 1 thread: 8.00 ns, 2.00 times tokio (4.00)"])


    def test_the_markdown_names_machine_figures_and_what_is_faster(self):
        page = tables.page({"cpu": "a good one"}, results.ranked([row("weft", [8]), row("tokio", [4])]))
        self.assertIn("cpu: a good one", page)
        self.assertIn("| yield/tasks:1000 |", page)
        self.assertIn("- yield/tasks:1000, 1 thread: 8.00 ns, 2.00 times tokio (4.00)", page)


class Rounds(unittest.TestCase):
    class Job:
        group, label = ("yield", 1, "ns"), "yield weft"

        def run(self, items_seen):
            return [("yield", "weft", 1, "ns", 7, None)]

    def test_each_round_is_kept_when_it_ends(self):
        kept = []
        options = session.Options([], [], None, True, 3, 1, 1, False)
        session.measure([self.Job()], options, lambda rows, problems: kept.append(list(rows[0].rounds)))
        self.assertEqual(kept, [[7, None, None], [7, 7, None], [7, 7, 7]])


class MannWhitney(unittest.TestCase):
    def test_separate_samples_have_the_smallest_probability(self):
        self.assertAlmostEqual(comparison.same_distribution((1, 2, 3, 4), (5, 6, 7, 8)), 2 / 70)

    def test_equal_samples_are_no_evidence(self):
        self.assertEqual(comparison.same_distribution((1, 2, 3), (1, 2, 3)), 1)

    def test_is_symmetric(self):
        a, b = (1, 4, 5, 9), (2, 3, 7, 8, 10)
        self.assertAlmostEqual(comparison.same_distribution(a, b), comparison.same_distribution(b, a))


class Verdicts(unittest.TestCase):
    STEADY = [100, 101, 99, 100, 102, 98, 100]

    def test_the_same_numbers_are_the_same(self):
        self.assertEqual(verdicts([row("weft", self.STEADY)], [row("weft", self.STEADY)]), ["same"])

    def test_a_clear_slowdown_is_a_regression(self):
        slower = [1.2 * value for value in self.STEADY]
        self.assertEqual(verdicts([row("weft", self.STEADY)], [row("weft", slower)]), ["REGRESSION"])
        self.assertEqual(verdicts([row("weft", slower)], [row("weft", self.STEADY)]), ["faster"])

    def test_a_change_within_the_spread_is_noise(self):
        before = [100, 140, 90, 100, 150, 95, 130]
        after = [150, 100, 141, 95, 120, 90, 125]
        self.assertEqual(verdicts([row("weft", before)], [row("weft", after)]), ["noise"])

    def test_what_slowed_the_peers_too_is_the_machine(self):
        slower = [1.5 * value for value in self.STEADY]
        before = [row("weft", self.STEADY), row("tokio", self.STEADY), row("go", self.STEADY)]
        after = [row("weft", slower), row("tokio", slower), row("go", slower)]
        self.assertEqual(verdicts(before, after), ["same"])

    def test_standing_still_while_the_peers_got_faster_is_a_regression(self):
        faster = [0.5 * value for value in self.STEADY]
        before = [row("weft", self.STEADY), row("tokio", self.STEADY)]
        after = [row("weft", self.STEADY), row("tokio", faster)]
        self.assertEqual(verdicts(before, after), ["REGRESSION"])

    def test_few_rounds_are_judged_by_their_ranges(self):
        self.assertEqual(verdicts([row("weft", [10, 11, 12])], [row("weft", [13, 14, 15])]), ["REGRESSION"])
        self.assertEqual(verdicts([row("weft", [10, 11, 15])], [row("weft", [13, 14, 15])]), ["noise"])

    def test_only_what_both_have_is_compared(self):
        self.assertEqual(verdicts([row("weft", [1])], [row("weft", [1], threads=2)]), [])


class Files(unittest.TestCase):
    def test_json_has_the_documented_fields_and_comes_back(self):
        rows = results.ranked([row("weft", [3.0, None, 1.0]), row("go", [4.0, 4.0, 4.0])])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.json"
            results.save(path, {"cpu": "one"}, rows, [])
            written = json.loads(path.read_text(encoding="utf-8"))
            machine, loaded = results.load(path)

        first = written["results"][0]
        self.assertEqual({name: first[name] for name in ("workload", "contender", "threads", "median", "min", "max", "unit", "ratio")},
                         {"workload": "yield/tasks:1000", "contender": "weft", "threads": 1, "median": 2.0, "min": 1.0, "max": 3.0,
                          "unit": "ns", "ratio": 1.0})
        self.assertEqual(machine, {"cpu": "one"})
        self.assertEqual(loaded, rows)

    def test_page_refers_to_nothing_outside(self):
        rows = results.ranked([row(name, [3.0, 1.0], f"echo/connections:{n}", threads)
                               for name in ("weft", "go", "epoll") for n in (1, 64) for threads in (1, 2)])
        page = report.page({"cpu": "<one>"}, rows, ["one & two"])
        for reference in ("http://", "https://", "src=", "href=", "<script", "@import"):
            self.assertNotIn(reference, page)
        self.assertIn("&lt;one&gt;", page)
        self.assertIn("one &amp; two", page)
        self.assertEqual(page.count("<svg"), page.count("</svg>"))
        self.assertIn("Scaling with the size", page)
        self.assertIn("Scaling with the workers", page)


class Programs(unittest.TestCase):
    def program(self, lines):
        script = f"print({lines!r})"
        return programs.LineProgram("yield", "python", [sys.executable, "-c", script])

    def test_a_line_becomes_time_and_cpu_per_item(self):
        line = json.dumps({"benchmark": "yield/tasks:10/workers:2", "contender": "go", "items": 50, "iterations": 2,
                           "seconds": 1e-6, "cpu_seconds": 2e-6})
        job = programs.Job(self.program(line), ["x"], 0.01)
        self.assertEqual(list(job.run({})), [("yield/tasks:10", "go", 2, "ns", 10.0, {"CPU ns": 20.0})])

    def test_who_does_other_work_than_the_others_is_refused(self):
        line = json.dumps({"benchmark": "yield/tasks:10/workers:2", "contender": "go", "items": 50, "iterations": 2,
                           "seconds": 1e-6, "cpu_seconds": 2e-6})
        job = programs.Job(self.program(line), ["x"], 0.01)
        with self.assertRaisesRegex(programs.Failed, "50 items an iteration; others have 51"):
            list(job.run({"yield/tasks:10": 51}))

    def test_a_program_that_fails_is_named_with_its_last_words(self):
        program = programs.LineProgram("yield", "go", [sys.executable, "-c", "import sys; sys.exit('wrong result: sum')"])
        with self.assertRaisesRegex(programs.Failed, "yield/go: exit 1: wrong result: sum"):
            program.run()

    def test_every_contender_with_a_source_is_known(self):
        stems = {path.stem for folder in (*{w.folder for w in servers.WORKLOADS}, "yield", "fork_join")
                 for path in (ROOT / "bench" / folder).glob("*.*") if path.suffix in (".c", ".cpp", ".rs", ".go")}
        self.assertLessEqual(stems, set(contenders.PACKAGES))

    def test_rounds_go_forth_and_back(self):
        jobs = [programs.Job(programs.LineProgram("yield", who, []), [], 1) for who in ("asio", "go", "weft")]
        self.assertEqual([job.who for job in session.in_turns(jobs, 0)], ["asio", "go", "weft"])
        self.assertEqual([job.who for job in session.in_turns(jobs, 1)], ["weft", "go", "asio"])


class ProgressBar(unittest.TestCase):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def test_shows_how_far_it_is(self):
        out = self.Terminal()
        bar = session.ProgressBar(4, out)
        bar.advance()
        bar.show("yield weft")
        self.assertIn("1/4", out.getvalue())
        self.assertIn("yield weft", out.getvalue())

    def test_is_silent_where_there_is_no_terminal(self):
        out = io.StringIO()
        session.ProgressBar(4, out).show("yield weft")
        self.assertEqual(out.getvalue(), "")


class CommandLine(unittest.TestCase):
    def run_bench(self, *arguments):
        return subprocess.run([sys.executable, ROOT / "tools/bench", *arguments], capture_output=True, text=True)

    def assert_refused(self, words, *arguments):
        ran = self.run_bench(*arguments)
        self.assertEqual(ran.returncode, 2, ran.stderr)
        self.assertIn(words, ran.stderr)

    def test_bad_arguments_are_named_and_exit_with_2(self):
        self.assert_refused("--nonsense", "--nonsense")
        self.assert_refused("--rounds", "--rounds", "0")
        self.assert_refused("--threads", "--threads", "many")
        self.assert_refused("no contender is called nobody", "--contenders", "weft,nobody")
        self.assert_refused("/nowhere: there is no such folder", "--build", "/nowhere")
        self.assert_refused("/nowhere/x.json: there is no such folder", "--json", "/nowhere/x.json")

    def test_compare_refuses_what_is_no_result(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as other:
            other.write('{"unrelated": 1}')
            other.flush()
            self.assert_refused("not a result of tools/bench", "--compare", other.name, other.name)
        self.assert_refused("No such file", "--compare", "/nowhere.json", "/nowhere.json")

    def test_compare_exits_with_1_for_a_regression_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            fast, slow = pathlib.Path(folder) / "fast.json", pathlib.Path(folder) / "slow.json"
            results.save(fast, {}, results.ranked([row("weft", [1.0, 1.1, 1.05])]), [])
            results.save(slow, {}, results.ranked([row("weft", [2.0, 2.1, 2.05])]), [])

            worse, better = self.run_bench("--compare", fast, slow), self.run_bench("--compare", slow, fast)

        self.assertEqual((worse.returncode, better.returncode), (1, 0), worse.stderr + better.stderr)
        self.assertIn("1 regressions", worse.stdout)
        self.assertIn("1 faster", better.stdout)


class Gate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        loader = importlib.machinery.SourceFileLoader("gate_run", str(ROOT / "bench/gate/run"))
        cls.gate = importlib.util.module_from_spec(importlib.util.spec_from_loader("gate_run", loader))
        loader.exec_module(cls.gate)

    def test_one_more_system_call_in_ten_is_dearer(self):
        self.assertEqual(self.gate.verdict("echo", "system_calls", 4.0, 4.1), "DEARER")
        self.assertEqual(self.gate.verdict("echo", "system_calls", 4.0, 4.01), "")

    def test_instructions_may_differ_a_little(self):
        self.assertEqual(self.gate.verdict("echo", "instructions", 1000, 1030), "")
        self.assertEqual(self.gate.verdict("echo", "instructions", 1000, 1050), "DEARER")
        self.assertEqual(self.gate.verdict("echo", "instructions", 1000, 900), "cheaper")

    def test_what_has_no_baseline_fails(self):
        self.assertEqual(self.gate.verdict("echo", "allocations", None, 0), "NO BASELINE")

    def test_bad_arguments_exit_with_2(self):
        ran = subprocess.run([ROOT / "bench/gate/run", "/nowhere"], capture_output=True, text=True)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("is not built", ran.stderr)


if __name__ == "__main__":
    unittest.main()
