# SPDX-License-Identifier: Apache-2.0
"""The studio in a real browser: every page and control, hostile names, lost connections, keyboard, small screens.

Usage: studio_test.py PROGRAM [unittest arguments]. Exit code 77 when no browser is installed."""
import os
import shutil
import sys
import tempfile
import unittest

from devtools import Browser, find, find_browser
from studio_server import HOSTILE, INDEX, Server, write_hostile_table

PAGES = ("", "trends", "trends?mode=eras", "runs", "runs?start=1", "forward-gradient", "forward-gradient?on=network", "repconc", "repconc?q=finu")
LARGEST_PAGE = 300_000  # bytes of everything but the chart library


class StudioTest(unittest.TestCase):
    """One server and one browser for all tests, a new tab for each; every tab is checked for what must never happen."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tenfold-studio-")
        cls.server = Server(PROGRAM, cls.folder)
        cls.browser = Browser()
        cls.trains = any(verb["name"] == "train" for system in cls.server.get("/api/systems")["systems"] for verb in system["verbs"])

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.server.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        self.page = self.browser.new_page()
        self.expected = ()  # beginnings of console messages that belong to the test

    def tearDown(self):
        self.page.take_events(0.1)
        strangers = [url for url in self.page.requests if not url.startswith((self.server.url + "/", "blob:" + self.server.url, "data:", "about:"))]
        problems = [text for text in self.page.problems if not text.startswith(self.expected)] if self.expected else self.page.problems
        markup = self.page.run("document.querySelectorAll('main img, main script, main b').length")
        self.page.close()
        self.assertEqual(strangers, [], "requests that leave the server")
        self.assertEqual(problems, [], "messages of the console")
        self.assertEqual(self.page.dialogs, [])
        self.assertEqual(markup, 0, "text that became markup")

    def open(self, path, name=None):
        self.page.open("about:blank")
        self.page.open(f"{self.server.url}/#/{path}")
        ready = name or path.split("?")[0] or "home"
        self.page.wait(f"document.querySelector('#page')?.dataset.ready === '{ready}'", what=f"page {ready}")

    def text(self, selector="main"):
        return self.page.run(f"document.querySelector({selector!r})?.innerText ?? ''")

    def wait_text(self, text, selector="main"):
        self.page.wait(f"document.querySelector({selector!r})?.innerText.includes({text!r})", what=f"text {text!r}")


class HomePage(StudioTest):
    def test_shows_ten_systems_and_leads_to_the_pages(self):
        self.open("")
        self.assertEqual(self.page.run("document.querySelectorAll('.tile').length"), 10)
        for title in ("Compute trends", "Forward gradients"):
            self.assertTrue(self.page.run(f"Array.from(document.querySelectorAll('.tile a')).some((link) => link.textContent === '{title}')"))
        self.wait_text("2 runs of this machine")
        self.page.click("text=Fit a trend")
        self.page.wait("document.querySelector('#page').dataset.ready === 'trends'")

    def test_zooms_the_chart(self):
        self.open("")
        self.page.click("label=only since 2010")
        self.assertTrue(self.page.run("document.querySelector('figure canvas').getBoundingClientRect().height > 200"))

    def test_measures_the_machine(self):
        names = [verb for verb in self.server.get("/api/openapi.json")["paths"] if verb == "/api/tenfold/doctor"]
        if not names:
            self.skipTest("this program has no doctor")
        self.open("")
        self.page.click("text=Measure this machine")
        self.wait_text("GFLOP/s")
        self.page.wait("Array.from(document.querySelectorAll('button')).some((each) => each.textContent === 'Measure again')")

    def test_keeps_the_chosen_colours(self):
        self.open("")
        for theme in ("dark", "light"):
            self.page.choose("#theme", theme)
            self.assertEqual(self.page.run("document.documentElement.dataset.theme"), theme)
        self.open("trends")
        self.assertEqual(self.page.run("document.documentElement.dataset.theme"), "light")
        self.page.choose("#theme", "")
        self.page.colours("dark")
        self.page.wait("document.documentElement.dataset.theme === 'dark'")
        self.page.colours("light")
        self.page.wait("document.documentElement.dataset.theme === 'light'")


class TrendsPage(StudioTest):
    def fit(self, **fields):
        return self.server.post("/api/trends/fit", fields)

    def wait_fit(self, **fields):
        """Waits until the page shows what the server answers to these fields."""
        fit = self.fit(**fields)
        self.page.wait(f"Array.from(document.querySelectorAll('.figures dd')).at(-1)?.innerText === '{fit['n']}'", what=f"{fit['n']} systems")
        months = fit["doubling_months"]
        self.wait_text("no doubling" if months is None else f"{float(format(months, '.3g')):g} months", ".figures")
        return fit

    def test_fits_again_when_a_slider_moves(self):
        self.open("trends")
        self.wait_fit(**{"from": "2010"})
        self.page.choose("label=First date", "2013.5")
        self.wait_fit(**{"from": "2013-07"})
        self.page.fill("[aria-label='First date, exact']", "2014-02")
        self.wait_fit(**{"from": "2014-02"})
        self.page.choose("label=Up to, without it", "2020")
        self.wait_fit(**{"from": "2014-02", "until": "2020"})
        self.assertIn("from=2014-02&until=2020", self.page.run("location.hash"))
        self.page.fill("[aria-label='First date, exact']", "soon")
        self.assertEqual(self.page.run("document.querySelector(\"[aria-label='First date, exact']\").getAttribute('aria-invalid')"), "true")

    def test_shows_the_last_answer_when_many_are_asked_for(self):
        self.open("trends")
        for year in (2011, 2012, 2013, 2014, 2015, 2016):
            self.page.choose("label=First date", str(year))
        self.wait_fit(**{"from": "2016"})
        self.page.idle()
        self.wait_fit(**{"from": "2016"})

    def test_filters_and_drops_outliers(self):
        self.open("trends")
        self.page.click("label=Language (37)")
        self.wait_fit(**{"from": "2010", "domain": ["Language"]})
        self.page.click("label=Language (37)")
        self.page.choose("label=Outliers", "low")
        self.page.choose("label=How far off is an outlier [sd]", "1.5")
        fit = self.wait_fit(**{"from": "2010", "outliers": "low", "outlier_sd": 1.5})
        self.wait_text(f"{len(fit['excluded'])} systems left out")
        self.page.click("text=Before 2010")
        self.wait_fit(**{"until": "2010", "outliers": "low", "outlier_sd": 1.5})
        for box in ("zoom to the period", "systems that are left out", "runs of this machine"):
            self.page.click(f"label={box}")

    def test_words_errors_of_the_server(self):
        self.expected = ("Failed to load resource: the server responded with a status of 400",)
        self.open("trends")
        self.page.click("text=Method, interval, frontier (15)")
        self.page.choose("label=Method", "theil-sen")
        self.page.choose("label=Bootstrap", "cluster")
        self.wait_text("fit.method_and_bootstrap", ".error")
        for part in ("This kind of bootstrap belongs to method ols", "Seen", "Wanted", "What to do", "leave one of the two out"):
            self.assertIn(part, self.text(".error"))
        self.page.choose("label=Bootstrap", "pairs")
        self.wait_fit(**{"from": "2010", "method": "theil-sen"})
        self.assertEqual(self.page.run("document.querySelectorAll('.error').length"), 0)

    def test_splits_the_eras(self):
        self.open("trends")
        self.page.click("text=Three eras")
        self.wait_text("large-scale systems,")
        self.page.choose("label=Large scale: z-score above", "1.5")
        self.page.choose("label=Large scale begins", "2016")
        self.page.choose("label=Deep learning begins", "2012")
        self.page.choose("label=Window of the z-score [years]", "2")
        eras = self.server.post("/api/trends/eras", {"z": 1.5, "large_start": 2016, "border": 2012, "window": 2})
        self.wait_text(f"{len(eras['large_scale'])} large-scale system")
        self.page.click("text=Download SVG")
        self.assertIn(b"<svg", self.page.download("compute-trends.svg"))
        self.page.click("text=One trend")
        self.wait_fit(**{"from": "2010"})

    def test_says_when_a_level_is_crossed(self):
        self.open("trends")
        self.page.fill("label=Levels [FLOP]", "3e24")
        level = self.server.post("/api/trends/threshold", {"level": [3e24], "from": "2010"})["levels"][0]
        self.wait_text(level["trend"]["date"])
        self.wait_text(level["frontier"]["date"])
        self.page.choose("label=Share of systems below the frontier", "0.5")
        self.page.choose("label=Confidence of the intervals", "0.8")
        moved = self.server.post("/api/trends/threshold", {"level": [3e24], "from": "2010", "tau": 0.5, "confidence": 0.8})["levels"][0]
        self.wait_text(moved["frontier"]["date"])
        self.page.click("label=levels and forecast in the chart above")
        self.page.wait("Array.from(document.querySelectorAll('.key')).some((key) => key.textContent === 'frontier, forecast')")
        self.page.fill("label=Levels [FLOP]", "many")
        self.wait_text("The levels cannot be read")

    def test_estimates_a_run(self):
        self.expected = ("Failed to load resource: the server responded with a status of 400",)
        self.open("trends")
        self.page.click("text=Language model")
        self.wait_text("Dominant input")
        self.wait_text("tokens")
        self.page.fill("label=Parameters", "3B")
        self.page.click("text=Estimate")
        median = self.server.post("/api/trends/estimate", {"parameters": "3B", "tokens": "100B..300B"})["stages"][0]["flop"]["median"]
        self.wait_text(f"{median / 1e21:.2f}×10²¹ FLOP")
        self.page.click("label=in the chart above, as of today")
        self.page.wait("Array.from(document.querySelectorAll('.key')).some((key) => key.textContent === 'estimate')")
        self.page.fill("label=Tokens", "a lot")
        self.page.click("text=Estimate")
        self.page.wait("document.querySelector('.error')")

    def test_saves_what_it_shows(self):
        self.open("trends?from=2012&until=2020")
        fit = self.wait_fit(**{"from": "2012", "until": "2020"})
        self.page.click("text=Download SVG")
        self.assertIn(b"trend, 95 % interval", self.page.download("trend.svg"))
        self.page.click("text=Download CSV")
        self.assertEqual(self.page.download("systems.csv").count(b"\n"), fit["n"] + 1)
        self.page.click("text=Download JSON")
        self.assertIn(str(fit["slope_oom_per_year"])[:12].encode(), self.page.download("fit.json"))
        self.page.click("text=Points as CSV")
        self.assertIn(b"series,name,publication date", self.page.download("compute-trend.csv"))
        self.page.click("text=Picture as PNG")
        self.assertEqual(self.page.download("compute-trend.png")[:4], b"\x89PNG")

    def test_reads_a_hostile_table_as_text(self):
        table = os.path.join(self.folder, "hostile.csv")
        write_hostile_table(table)
        self.open("trends")
        self.page.attach("label=Your own table (CSV)", table)
        self.page.wait("Array.from(document.querySelectorAll('.figures dd')).at(-1)?.innerText === '12'")
        self.wait_text(f"{HOSTILE} (12)")  # the domain
        self.page.wait(f"Array.from(document.querySelectorAll('.key')).some((key) => key.textContent === {HOSTILE!r})")
        self.page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        self.wait_text("<b>no date</b>")
        self.page.run("document.querySelector('figure canvas').focus()")
        self.page.key("ArrowRight")
        self.page.wait("Array.from(document.querySelectorAll('[aria-live]')).some((each) => each.textContent.includes('onerror'))")
        self.page.click("text=Back to the embedded table")
        self.wait_text("Embedded: 123 milestone systems")

    def test_says_what_is_wrong_with_a_table(self):
        self.expected = ("Failed to load resource: the server responded with a status of 400",)
        table = os.path.join(self.folder, "unclear.csv")
        with open(table, "w") as file:
            file.write("model,when,petas\nA,2019-05-01,30\nB,2020-06-01,500\nC,2021-07-01,4000\n")
        self.open("trends")
        self.page.attach("label=Your own table (CSV)", table)
        self.page.wait("document.querySelector('.error')")
        self.page.fill("label=Columns by hand", "name=model,date=when,flop=petas,unit=petaFLOP")
        self.page.wait("Array.from(document.querySelectorAll('.figures dd')).at(-1)?.innerText === '3'")


class RunsPage(StudioTest):
    def keys(self):
        return self.page.run("Array.from(document.querySelectorAll('.key'), (key) => key.textContent)")

    def test_lays_curves_over_each_other(self):
        self.open("runs")
        self.page.wait("document.querySelectorAll('.key').length === 2")
        self.assertCountEqual(self.keys(), [HOSTILE, "quiet"])
        for axis, title in (("time", "time [s]"), ("flops", "FLOP"), ("step", "step")):
            self.page.choose("#axis", axis)
            self.page.drawn()
            self.page.click("text=Points as CSV")
            self.assertIn(title.encode(), self.page.download("runs.csv").splitlines()[0])
        self.page.choose("label=Smoothing", "0")
        self.page.drawn()
        self.page.click("text=Points as CSV")
        self.assertIn(b"quiet,,1,4,,", self.page.download("runs.csv"))  # the first row, as it is
        self.page.choose("label=Smoothing", "0.9")
        self.page.click("label=logarithmic")
        self.page.choose("#metric", HOSTILE)
        self.wait_text(f"Last value of {HOSTILE}")
        self.page.click("[aria-label='Show quiet']")
        self.page.wait("document.querySelectorAll('.key').length === 1")
        self.page.click("text=Show none")
        self.wait_text("Tick a run to see its curves")

    def test_filters_and_sorts_the_list(self):
        self.open("runs")
        self.page.fill("[aria-label='Filter runs by name']", "qui")
        self.page.run("document.querySelector(\"[aria-label='Filter runs by name']\").dispatchEvent(new Event('input'))")
        rows = "document.querySelectorAll('.high tbody')[0].rows"
        self.page.wait(f"{rows}.length === 1")
        self.page.fill("[aria-label='Filter runs by name']", "")
        self.page.run("document.querySelector(\"[aria-label='Filter runs by name']\").dispatchEvent(new Event('input'))")
        self.page.click("text=FLOP")
        self.page.wait(f"{rows}[0].innerText.includes('quiet')")

    def test_shows_what_two_runs_differ_in(self):
        self.open("runs")
        self.page.choose("label=First run", "quiet")
        self.page.choose("label=Second run", HOSTILE)
        self.wait_text("train.optimizer.learning_rate")
        self.assertNotIn("train.steps", self.text())
        self.page.click("label=equal ones too")
        self.wait_text("train.steps")

    def test_starts_watches_and_stops_a_training(self):
        if not self.trains:
            self.skipTest("this program has no verb that trains")
        self.expected = ("Failed to load resource: the server responded with a status of 409",)
        self.open("runs?start=1")
        self.page.fill("label=Name of the run", "from-the-page")
        self.page.choose("label=Preset", "demo")
        self.page.fill("label=Steps", "2000000")
        self.page.fill("label=Epochs", "1")
        self.page.click("text=Start")
        self.page.wait("Array.from(document.querySelectorAll('.badge')).some((badge) => badge.textContent === 'running')")
        self.page.wait("document.querySelector('main').innerText.includes('from-the-page: ')", what="rows of the run")
        self.page.fill("label=Name of the run", "from-the-page")
        self.page.click("text=Start")
        self.wait_text("jobs.run_exists", ".error")
        self.stop_run()
        self.page.fill("label=Name of the run", "from-the-page")
        self.page.click("label=continue the run of this name")
        self.page.click("text=Start")
        self.page.wait("document.querySelector(\"[aria-label='Stop from-the-page']\")")
        self.page.wait("document.querySelector('main progress')")
        self.stop_run()

    def stop_run(self):
        self.page.click("[aria-label='Stop from-the-page']")
        self.page.wait("!document.querySelector(\"[aria-label='Stop from-the-page']\")")
        self.wait_text("stopped")

    def test_fills_the_form_from_presets(self):
        system = next(each for each in self.server.get("/api/systems")["systems"] if each["name"] == "forward-gradient")
        if not self.trains:
            self.skipTest("this program has no verb that trains")
        train = next(each for each in system["verbs"] if each["name"] == "train")
        self.open("runs?start=1")
        for preset in ("paper", "small", "demo"):
            self.page.choose("label=Preset", preset)
            values = train["presets"][preset]
            self.assertEqual(self.page.run(f"{find('label=Model')}.value"), values["model"])
            self.assertEqual(float(self.page.run(f"{find('label=Optimizer learning rate')}.value")), values["optimizer"]["learning_rate"])
        self.page.choose("label=Preset", "")
        self.assertEqual(self.page.run(f"{find('label=Model')}.value"), train["schema"]["properties"]["model"]["default"])

    def test_checks_a_form_before_it_is_sent(self):
        if not self.trains:
            self.skipTest("this program has no verb that trains")
        self.open("runs?start=1")
        self.page.fill("label=Batch size", "many")
        self.page.click("text=Start")
        self.assertTrue(self.page.run("document.activeElement.matches(':invalid')"))
        self.page.run("Array.from(document.querySelectorAll('summary')).find((each) => each.textContent.startsWith('All options')).click()")
        self.page.fill("[aria-label='Filter: All options']", "dropout of nothing")
        self.page.run("document.querySelector(\"[aria-label='Filter: All options']\").dispatchEvent(new Event('input'))")
        self.assertEqual(self.page.run("document.querySelectorAll('details.more fieldset:not([hidden])').length"), 0)


class RepconcPage(StudioTest):
    def ask(self, body):
        return self.server.post(f"/api/models/{INDEX}/search", body)

    def test_shows_three_ways_side_by_side(self):
        self.open("repconc")
        self.page.fill("label=Search", "finu lipa bake")
        self.page.click("text=Search")
        self.wait_text("Whole vectors")
        answers = self.ask({"text": "finu lipa bake"})["answers"]
        for place, answer in enumerate(answers):
            column = f".side-by-side > section:nth-child({place + 1})"
            self.wait_text(answer["hits"][0]["id"] if answer["hits"] else "Nothing found", column)
            self.wait_text(f"{answer['bytes_per_document']:.4g} bytes a document", column)

    def test_compares_sizes(self):
        self.open("repconc")
        own = self.server.post(f"/api/models/{INDEX}/about", {})
        self.page.fill("label=Search", "finu lipa bake")
        self.page.click("text=Search")
        self.wait_text("Codes", ".side-by-side")
        other = own["sizes"].index(16)
        self.page.choose("label=Bytes of a document's code", str(other))
        self.wait_text("OPQ without training")
        self.wait_text("16 bytes a document")
        self.assertIn("bytes=16", self.page.run("location.hash"))

    def test_words_a_question_nobody_understands(self):
        self.expected = ("Failed to load resource: the server responded with a status of 400",)
        self.open("repconc")
        self.page.fill("label=Search", "!?")
        self.page.click("text=Search")
        self.wait_text("The query has no words")


class ForwardGradientPage(StudioTest):
    def test_descends_a_function(self):
        self.open("forward-gradient")
        self.wait_text("forward, Gaussian directions", "main table")
        for function in ("rosenbrock", "quadratic", "ill_conditioned", "beale"):
            self.page.choose("label=Function", function)
            self.wait_text(self.server.post("/api/forward-gradient/surface", {"function": function, "columns": 2, "rows": 2})["formula"])
        for method in ("forward, random signs", "forward, on the sphere"):
            self.page.click(f"label={method}")
        self.page.choose("label=Step size", "-2.5")
        self.page.choose("label=Steps", "2.5")
        self.page.choose("label=Directions a step", "4")
        self.page.choose("label=Runs of each method", "5")
        self.page.choose("label=Seed", "3")
        answer = self.server.post("/api/forward-gradient/descend?seed=3", {
            "function": "beale", "methods": ["gradient", "gaussian", "rademacher", "sphere"], "learning_rate": 10 ** -2.5, "steps": 316, "tangents": 4, "runs": 5})
        self.wait_text("of 316")
        self.page.wait("document.querySelectorAll('main tbody tr').length === 4")
        self.wait_text(f"{answer['methods'][0]['median_value']:.3g}", "main table")

    def test_starts_where_the_reader_says(self):
        self.open("forward-gradient")
        self.page.wait("document.querySelector('main table')")
        self.page.fill("[aria-label='Start, x']", "2")
        self.page.fill("[aria-label='Start, y']", "0")
        self.page.click("figure canvas")
        self.page.wait("document.querySelector(\"[aria-label='Start, x']\").value !== '2'")
        self.page.click("text=Usual start")
        self.page.wait("document.querySelector(\"[aria-label='Start, x']\").value === '1'")
        self.page.fill("[aria-label='Start, x']", "left")
        self.assertEqual(self.page.run("document.querySelector(\"[aria-label='Start, x']\").getAttribute('aria-invalid')"), "true")

    def test_plays_the_descent(self):
        self.open("forward-gradient")
        self.wait_text("of 1000")
        self.page.click("text=Play")
        self.page.wait("document.querySelector(\"[aria-label='Moment of the descent']\").value > 3")
        self.page.click("text=Pause")
        self.page.choose("[aria-label='Moment of the descent']", "0")
        self.wait_text("step 0 of 1000")

    def test_asks_for_a_method(self):
        self.open("forward-gradient")
        for method in ("backpropagation (exact gradient)", "forward, Gaussian directions"):
            self.page.click(f"label={method}")
        self.wait_text("No method is chosen")

    def test_trains_a_network_both_ways(self):
        if not self.trains:
            self.skipTest("this program has no verb that trains")
        self.open("forward-gradient")
        self.page.click("text=A small network")
        self.page.choose("label=Steps", "50")
        for label, value in (("Network", "mlp"), ("Hidden units (mlp)", "16"), ("Hidden layers (mlp)", "2"), ("Forward estimator", "activity"), ("Directions", "gaussian"),
                             ("Directions an estimate", "2"), ("Learning rate, backpropagation", "-2"), ("Learning rate, forward", "-2.5"), ("Seed", "2")):
            self.page.choose(f"label={label}", value)
        self.page.click("text=Train both")
        self.page.wait("Array.from(document.querySelectorAll('.badge')).filter((badge) => badge.textContent === 'finished').length === 2", 120)
        self.page.wait("Array.from(document.querySelectorAll('main tbody tr')).filter((row) => row.checkVisibility() && row.cells[2].innerText === '50').length === 2")
        for axis in ("flops", "time", "step"):
            self.page.choose("#pair-axis", axis)
        self.page.click("text=Both on the page of runs")
        self.page.wait("document.querySelector('#page').dataset.ready === 'runs' && document.querySelectorAll('.key').length === 2")


class Frame(StudioTest):
    def test_comes_back_after_a_lost_connection(self):
        self.expected = ("Failed to load resource",)
        self.open("trends")
        self.page.wait("document.querySelector('.figures dd')")
        self.server.stop(hard=True)
        self.page.choose("label=First date", "2014")
        self.wait_text("The server does not answer", "#connection")
        self.server.start()
        self.page.run("document.querySelector('#connection button')?.click()")
        self.page.wait("document.querySelector('#connection').hidden")
        fit = self.server.post("/api/trends/fit", {"from": "2014"})
        self.page.wait(f"Array.from(document.querySelectorAll('.figures dd')).at(-1)?.innerText === '{fit['n']}'")

    def test_says_that_a_page_does_not_exist(self):
        self.open("nothing", "nothing")
        self.wait_text("There is no such page")

    def test_is_small_and_runs_nothing_inline(self):
        headers, _ = self.server.fetch("/")
        policy = headers["Content-Security-Policy"]
        self.assertIn("script-src 'self'", policy)
        self.assertNotIn("unsafe", policy)
        paths = [path for path, item in self.server.get("/api/openapi.json")["paths"].items() if "page" in item.get("get", {}).get("tags", [])]
        sizes = {path: len(self.server.fetch(path)[1]) for path in paths if path != "/" and not path.startswith("/vendor/")}
        print(f"the page: {sum(sizes.values())} bytes in {len(sizes)} files")
        self.assertGreater(len(sizes), 15)
        self.assertLess(sum(sizes.values()), LARGEST_PAGE)

    def test_fits_a_phone(self):
        for path in PAGES:
            for width in (360, 820):
                with self.subTest(page=path, width=width):
                    self.page.resize(width, 780, mobile=True)
                    self.open(path)
                    self.page.idle()
                    self.page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
                    self.assertLessEqual(self.page.run("document.documentElement.scrollWidth"), width)
        self.page.resize(360, 780, mobile=True)
        self.open("runs")
        self.assertFalse(self.page.run("document.querySelector('#pages a').checkVisibility()"))
        self.page.click("#menu")
        self.page.click("text=Compute trends")
        self.page.wait("document.querySelector('#page').dataset.ready === 'trends'")

    def test_can_be_used_by_keyboard(self):
        for path in PAGES:
            with self.subTest(page=path):
                self.open(path)
                self.page.idle()
                self.page.run("document.activeElement.blur()")
                wanted = self.page.run(FOCUSABLE + ".length")
                seen, hidden = set(), []
                for _ in range(wanted + 5):
                    self.page.key("Tab")
                    at, outline = self.page.run(f"[{FOCUSABLE}.indexOf(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]")
                    seen.add(at)
                    if at >= 0 and outline == "none":
                        hidden.append(self.page.run("document.activeElement.outerHTML.slice(0, 80)"))
                missed = [self.page.run(f"{FOCUSABLE}[{i}].outerHTML.slice(0, 80)") for i in range(wanted) if i not in seen]
                self.assertEqual(missed, [])
                self.assertEqual(hidden, [], "focus that cannot be seen")

    def test_names_every_control(self):
        for path in PAGES:
            with self.subTest(page=path):
                self.open(path)
                self.page.idle()
                self.assertEqual(self.page.run(UNNAMED), [])

    def test_moves_a_slider_by_keyboard(self):
        self.open("trends")
        self.page.run("Array.from(document.querySelectorAll('label')).find((label) => label.textContent === 'First date').control.focus()")
        self.page.key("ArrowRight")
        fit = self.server.post("/api/trends/fit", {"from": "2010-07"})
        self.page.wait(f"Array.from(document.querySelectorAll('.figures dd')).at(-1)?.innerText === '{fit['n']}'")

    def test_skips_to_the_content(self):
        self.open("")
        self.page.key("Tab")
        self.assertEqual(self.page.run("document.activeElement.className"), "skip")
        self.page.key("Enter")
        self.page.wait("document.activeElement.id === 'page'")
        self.page.key("Tab")
        self.assertTrue(self.page.run("document.querySelector('main').contains(document.activeElement)"))

    def test_has_contrast_in_both_colours(self):
        self.open("")
        for theme in ("light", "dark"):
            self.page.choose("#theme", theme)
            for ink, paper in (("ink", "card"), ("soft", "card"), ("soft", "desk"), ("accent", "card"), ("accent-ink", "accent"), ("bad", "bad-soft"), ("wait", "wait-soft"), ("good", "good-soft")):
                with self.subTest(theme=theme, ink=ink, paper=paper):
                    colours = [self.page.run(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()") for name in (ink, paper)]
                    self.assertGreaterEqual(contrast(*colours), 4.5)
        self.page.choose("#theme", "")


class Modules(StudioTest):
    """Functions of web/lib against closed forms."""

    def call(self, module, expression):
        return self.page.run(f"import('/{module}').then((m) => ({expression}))")

    def setUp(self):
        super().setUp()
        self.open("")

    def test_draws_a_circle_as_the_contour_of_a_bowl(self):
        values = [(-2 + 4 * i / 80) ** 2 + (-2 + 4 * j / 80) ** 2 for j in range(81) for i in range(81)]
        [circle] = self.call("lib/contour.js", f"m.contours({{columns: 81, rows: 81, values: {values}, xMin: -2, xMax: 2, yMin: -2, yMax: 2}}, [1.5])")
        radii = [(x * x + y * y) ** 0.5 for segment in circle["path"] for x, y in (segment[:2], segment[2:])]
        self.assertLess(max(abs(radius - 1.5 ** 0.5) for radius in radii), 1e-3)
        length = sum(((a - c) ** 2 + (b - d) ** 2) ** 0.5 for a, b, c, d in circle["path"])
        self.assertAlmostEqual(length, 2 * 3.14159265 * 1.5 ** 0.5, delta=0.01)  # once around, without gaps

    def test_writes_numbers_as_people_read_them(self):
        cases = {"0": "0", "0.05": "0.05", "123456": "123500", "1e23": "10²³", "-3.5e-7": "-3.5×10⁻⁷", "NaN": "–", "null": "–"}
        self.assertEqual(self.call("lib/format.js", f"[{', '.join(cases)}].map((value) => m.number(value))"), list(cases.values()))

    def test_counts_dates_as_the_server_does(self):
        rows = self.server.post("/api/trends/fit", {"from": "2016-02-29", "band": 2})
        systems = [row["date"] for row in self.server.post("/api/trends/export", {"from": "2016-02-29"})["systems"]]
        years = self.call("lib/format.js", f"{systems}.map(m.decimalYear)")
        self.assertAlmostEqual(min(years), rows["band"]["year"][0], places=9)
        self.assertAlmostEqual(max(years), rows["band"]["year"][1], places=9)
        self.assertEqual(self.call("lib/format.js", "[2010, 2015.5, 2016 - 1 / 12].map(m.yearMonth)"), ["2010", "2015-07", "2015-12"])

    def test_smooths_without_a_bias_at_the_start(self):
        rows = [{"step": step, "loss": 3.0} for step in range(5)] + [{"step": 5, "loss": 1.0}]
        smooth = self.call("lib/runs.js", f"m.curve({rows}, 'loss', 'step', 0.9).smooth".replace("'", '"'))
        for value in smooth[:5]:
            self.assertAlmostEqual(value, 3.0)
        self.assertAlmostEqual(smooth[5], (3.0 * sum(0.9 ** k for k in range(1, 6)) + 1.0) / sum(0.9 ** k for k in range(6)))

    def test_reads_configurations(self):
        text = "[train]\\n# note = 1\\nname = \"a = b\"\\noptimizer.rate = 0.1\\n[descend]\\nruns = 3\\n"
        self.assertEqual(self.call("pages/runs/compare.js", f"Object.fromEntries(m.parseConfig('{text}'))"),
                         {"train.name": '"a = b"', "train.optimizer.rate": "0.1", "descend.runs": "3"})

    def test_quotes_cells(self):
        self.assertEqual(self.call("lib/dom.js", """m.toCsv([["a,b", 'say "x"', null, 1]])"""), '"a,b","say ""x""",,1\r\n')


FOCUSABLE = """Array.from(document.querySelectorAll('a[href], button:not([disabled]), input:not([disabled]), select, summary, [tabindex="0"]'))
  .filter((each) => each.checkVisibility())"""

UNNAMED = """Array.from(document.querySelectorAll('input, select, button, canvas')).filter((each) => !(each.labels?.length > 0 || each.getAttribute('aria-label')
  || each.textContent.trim())).map((each) => each.outerHTML)"""


def contrast(first, second):
    """Of two colours "#rrggbb": WCAG 2.1, section 1.4.3."""
    def luminance(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


if __name__ == "__main__":
    if find_browser() is None:
        print("skipped: no chromium in PATH")
        sys.exit(77)
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
