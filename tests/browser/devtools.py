# SPDX-License-Identifier: Apache-2.0
"""Drives a headless Chromium over the pipe of its DevTools protocol: no driver program, no WebSocket, no package.

https://chromedevtools.github.io/devtools-protocol/ ; messages on descriptors 3 and 4 end with a zero byte."""
import base64
import collections
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

TIMEOUT = 30.0  # of one wait, in seconds: machines under test may be slow


def find_browser():
    """Path of a Chromium, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    return None


class BrowserError(Exception):
    pass


class Browser:
    """One process with one window. `with Browser() as browser:`"""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="tenfold-browser-")
        self.downloads = os.path.join(self.profile, "downloads")
        os.mkdir(self.downloads)
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        self.process = subprocess.Popen(self._command(to_child, from_child), pass_fds=(to_child, from_child),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self._buffer = b""
        self._number = 0
        self.events = collections.deque()

    def _command(self, to_child, from_child):
        # The sandbox needs rights that containers and root do not have; every page is our own. Names outside this machine
        # are not resolved, so that a request that should not exist cannot leave.
        program = [find_browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
                   "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
                   "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
                   "--remote-debugging-pipe", f"--user-data-dir={self.profile}/profile", "about:blank"]
        # The protocol lives on descriptors 3 and 4.
        shell = f'exec "$@" 3<&{to_child} 4>&{from_child}'
        return ["/bin/bash", "-c", shell, "browser", *program]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self.profile, ignore_errors=True)

    def _receive(self, timeout):
        """The next message, or None after `timeout` seconds."""
        end = time.monotonic() + timeout
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                return None
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise BrowserError("the browser has gone")
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data):]
        while True:
            answer = self._receive(TIMEOUT)
            if answer is None:
                raise BrowserError(f"{method}: no answer within {TIMEOUT} s")
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def pump(self, timeout=0.0):
        """Takes in events that wait."""
        while (message := self._receive(timeout)) is not None:
            if "method" in message:
                self.events.append(message)
            timeout = 0.0

    def new_page(self, width=1280, height=900):
        return Page(self, width, height)


KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, " ": 32,
        "Home": 36, "End": 35}


class Page:
    """One tab. Collects every request, console message and exception of its life."""

    def __init__(self, browser, width, height):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.requests, self.problems, self.dialogs = [], [], []
        self.open_requests = set()  # without event streams, which do not end
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setInterceptFileChooserDialog", enabled=False)
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=browser.downloads)
        self.resize(width, height)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def close(self):
        self.take_events()
        self.browser.call("Target.closeTarget", targetId=self.target)

    def resize(self, width, height, scale=1, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def colours(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def take_events(self, timeout=0.0):
        self.browser.pump(timeout)
        rest = collections.deque()
        while self.browser.events:
            event = self.browser.events.popleft()
            if event.get("sessionId") == self.session:
                self._take(event["method"], event["params"])
            else:
                rest.append(event)
        self.browser.events = rest

    def _take(self, method, params):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
            if params.get("type") != "EventSource":
                self.open_requests.add(params["requestId"])
        elif method in ("Network.loadingFinished", "Network.loadingFailed"):
            self.open_requests.discard(params["requestId"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(each.get("value", each.get("description"))) for each in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(params["message"])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, script):
        """The value of a JavaScript expression; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    def wait(self, script, timeout=TIMEOUT, what=None):
        """Waits until the expression is true."""
        end = time.monotonic() + timeout
        while True:
            try:
                if self.run(f"Boolean({script})"):
                    return
            except BrowserError as error:  # between two documents
                if "gone" in str(error):
                    raise
            if time.monotonic() > end:
                raise BrowserError(f"waited {timeout} s for {what or script}; problems: {self.problems}")
            self.take_events(0.05)

    def drawn(self):
        """Waits until what was asked for is painted."""
        self.run("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))")

    def idle(self, seconds=0.4):
        """Waits until nothing was asked of the server for a while."""
        end, quiet = time.monotonic() + TIMEOUT, time.monotonic()
        while time.monotonic() < quiet + seconds:
            if time.monotonic() > end:
                raise BrowserError(f"requests do not end: {self.open_requests}")
            before = len(self.requests)
            self.take_events(0.05)
            if self.open_requests or len(self.requests) != before:
                quiet = time.monotonic()
        self.drawn()

    def click(self, selector):
        """Clicks into the middle of an element once the page has stopped moving."""
        self.idle(0.1)
        script = f"""(() => {{ const node = {find(selector)}; if (!node) return null; node.scrollIntoView({{block: 'center', behavior: 'instant'}});
          const box = node.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2, box.width, box.height]; }})()"""
        box, before = self.run(script), None
        for _ in range(100):
            if box and box == before:
                break
            self.drawn()
            box, before = self.run(script), box
        if not box or box[2] <= 0 or box[3] <= 0:
            raise BrowserError(f"nothing to click: {selector}")
        self.click_at(box[0], box[1])

    def click_at(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def fill(self, selector, text):
        """Replaces the text of a field as a person does, and leaves the field."""
        self.run(f"(() => {{ const node = {find(selector)}; node.scrollIntoView({{block: 'center'}}); node.focus(); node.select(); }})()")
        self.call("Input.insertText", text=text)
        self.run(f"{find(selector)}.dispatchEvent(new Event('change', {{bubbles: true}}))")

    def choose(self, selector, value):
        """Picks an option of a list, or a place of a slider."""
        self.run(f"""(() => {{ const node = {find(selector)}; node.value = {json.dumps(value)};
          node.dispatchEvent(new Event('input', {{bubbles: true}})); node.dispatchEvent(new Event('change', {{bubbles: true}})); }})()""")

    def attach(self, selector, *files):
        node = self.call("Runtime.evaluate", expression=find(selector))["result"]["objectId"]
        self.call("DOM.setFileInputFiles", files=list(files), objectId=node)

    def key(self, name, shift=False):
        code = KEYS.get(name, 0)
        parameters = {"key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        if name in ("Enter", " "):
            parameters["text"] = "\r" if name == "Enter" else " "
        self.call("Input.dispatchKeyEvent", type="keyDown", **parameters)
        self.call("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def screenshot(self, path, whole=True):
        parameters = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            parameters["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"]))

    def download(self, name, timeout=TIMEOUT):
        """The content of a file that the page saved; it is removed, so that the next one has its name."""
        path = os.path.join(self.browser.downloads, name)
        end = time.monotonic() + timeout
        while not os.path.exists(path) or os.path.exists(path + ".crdownload"):
            if time.monotonic() > end:
                raise BrowserError(f"no download {name}; there: {os.listdir(self.browser.downloads)}")
            self.take_events(0.05)
        with open(path, "rb") as file:
            content = file.read()
        os.remove(path)
        return content


def find(selector):
    """JavaScript for the first element of a CSS selector; "text=Go" for the first button, link or summary that reads so, and
    "label=First date" for the control of a label."""
    kind, _, text = selector.partition("=")
    wanted = json.dumps(text)
    if kind == "text":
        return f"Array.from(document.querySelectorAll('button, a, summary')).find((each) => each.textContent.trim() === {wanted})"
    if kind == "label":
        return f"(Array.from(document.querySelectorAll('label')).find((each) => each.textContent.trim() === {wanted} && each.control?.closest('[hidden]') === null) ?? {{}}).control"
    return f"document.querySelector({json.dumps(selector)})"
