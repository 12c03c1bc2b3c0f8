#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Opens the sample report in headless Chromium and checks that its script drew every chart, without an error and
# without anything that the page's security policy blocked. Usage: report_check.sh PROGRAM_THAT_WRITES_THE_SAMPLE
set -eu

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
  echo "skipped: no chromium in PATH"
  exit 77
fi
if ! command -v gnuplot >/dev/null; then
  echo "skipped: no gnuplot in PATH"
  exit 77
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" "$folder/sample"

# The sandbox needs rights that containers and root do not have; the page is our own.
timeout 120 "$browser" --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
  --disable-component-update --disable-sync --disable-quic --user-data-dir="$folder/profile" \
  --dump-dom "file://$folder/sample/report.html" >"$folder/dom.html" 2>"$folder/browser.log" || {
  echo "the browser failed:"
  tail -5 "$folder/browser.log"
  exit 1
}

root=$(grep -o '<html[^>]*>' "$folder/dom.html" | head -1)
echo "root element: $root"
for wanted in 'data-ready="true"' 'data-errors="0"' 'data-charts="4"'; do
  case $root in
    *"$wanted"*) ;;
    *)
      echo "missing: $wanted"
      exit 1
      ;;
  esac
done
buttons=$(grep -o 'class="key"' "$folder/dom.html" | wc -l)
if [ "$buttons" -lt 16 ]; then
  echo "legend buttons: $buttons, wanted 16 or more"
  exit 1
fi
echo "the report works in $("$browser" --version 2>/dev/null | head -1)"
