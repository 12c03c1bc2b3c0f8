// SPDX-License-Identifier: Apache-2.0
// Which table the trends page reads: the embedded one, or one of the reader, which is checked first.
import { api } from "../../lib/api.js";
import { checkbox, element, labelled } from "../../lib/dom.js";
import { plural } from "../../lib/format.js";
import { Notices } from "../../lib/notice.js";
import { simpleTable } from "../../lib/table.js";

// What `tenfold trends check` found: errors end a fit, warnings and notes do not.
function findings(check) {
  if (check.findings.length === 0) return null;
  return simpleTable(
    ["Line", "", "Finding"],
    check.findings.map((each) => [
      each.line ?? "",
      each.severity,
      `${each.system ? `${each.system}: ` : ""}${[each.message, each.remedy].filter(Boolean).join("; ")}`,
    ]),
    { caption: "Findings in the table", showCaption: true },
  );
}

export function sourceFields({ signal, changed }) {
  let upload = null;
  const notices = new Notices();
  const file = element("input", { type: "file", accept: ".csv,text/csv", onchange: () => send(file.files[0]) });
  const columns = element("input", {
    type: "text",
    placeholder: "name=System,date=Published,flop=Compute",
    autocomplete: "off",
    spellcheck: "false",
    onchange: () => changed(),
  });
  const skip = checkbox("leave rows with errors out", { onchange: () => changed() });
  const back = element(
    "button",
    { type: "button", class: "quiet", hidden: true, onclick: () => forget() },
    "Back to the embedded table",
  );
  const status = element("p", { class: "help", role: "status" });
  const own = element(
    "div",
    { hidden: true },
    labelled("Columns by hand", columns, "only when they are not recognised"),
    skip.row,
    back,
  );

  function show() {
    own.hidden = back.hidden = upload === null;
    status.textContent = upload
      ? `${upload.name}, ${plural(upload.bytes, "byte")}`
      : "Embedded: 123 milestone systems, 1952 to 2022.";
  }

  async function send(chosen) {
    if (!chosen) return;
    notices.clear();
    try {
      upload = await api.upload(chosen, { signal });
      show();
      const check = await api.post("/api/trends/check", { csv: upload.value, columns: columns.value.trim() }, { signal });
      const found = findings(check);
      if (found) notices.show(found);
    } catch (error) {
      if (signal.aborted) return;
      notices.error(error);
    }
    changed();
  }

  function forget() {
    if (upload) api.remove(`/api/uploads/${upload.id}`).catch(() => {});
    upload = null;
    file.value = "";
    columns.value = "";
    skip.input.checked = false;
    notices.clear();
    show();
    changed();
    file.focus();
  }

  show();
  return {
    node: element(
      "fieldset",
      {},
      element("legend", {}, "Table"),
      status,
      labelled("Your own table (CSV)", file),
      own,
      notices.node,
    ),
    values() {
      if (!upload) return {};
      const values = { csv: upload.value };
      if (columns.value.trim()) values.columns = columns.value.trim();
      if (skip.input.checked) values.skip_bad = true;
      return values;
    },
  };
}
