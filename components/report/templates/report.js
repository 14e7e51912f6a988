"use strict";
(() => {
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse(document.getElementById("data").textContent);
  const filters = document.getElementById("filters");
  const chosen = { class: document.getElementById("class-filter"), slice: document.getElementById("slice-filter") };
  const all = data.slices.indexOf("all");

  for (const element of $$(".needs-js")) element.hidden = false;

  // Theme: the system's, until the button says otherwise.
  const theme = document.getElementById("theme");
  const isDark = () => {
    const own = document.documentElement.dataset.theme;
    return own ? own === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; label(); });
  label();

  // Filters: places in data.slices and data.classes, never text.
  const offVerdicts = () => new Set($$(".pill[aria-pressed=false]").map((pill) => pill.dataset.verdict));
  const inSlice = (row, slice) => {
    if (row.dataset.card !== undefined) return slice === "" || data.cards[row.dataset.card].includes(Number(slice));
    if (row.dataset.slice === "any") return true;
    if (row.closest("#class-table")) return row.dataset.slice === (slice === "" ? String(all) : slice);
    return slice === "" || row.dataset.slice === slice;
  };
  const inClass = (row, name) => name === "" || row.dataset.class === "any" || row.dataset.class === name;

  const apply = () => {
    const off = offVerdicts();
    let shown = 0;
    let total = 0;
    for (const box of $$(".filtered")) {
      let here = 0;
      for (const row of $$(".row", box)) {
        const fits = inClass(row, chosen.class.value) && inSlice(row, chosen.slice.value) && !off.has(row.dataset.verdict);
        row.hidden = !fits;
        here += fits ? 1 : 0;
        total += 1;
      }
      shown += here;
      const nothing = box.closest("section").querySelector(".nothing");
      if (nothing) nothing.hidden = here > 0;
    }
    const active = chosen.class.value !== "" || chosen.slice.value !== "" || off.size > 0;
    document.getElementById("status").textContent = active ? `${shown} of ${total} rows and pictures fit` : "";
  };
  filters.addEventListener("change", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => {
    for (const pill of $$(".pill")) pill.setAttribute("aria-pressed", "true");
    setTimeout(apply);
  });
  for (const pill of $$(".pill")) {
    pill.addEventListener("click", () => {
      pill.setAttribute("aria-pressed", String(pill.getAttribute("aria-pressed") === "false"));
      apply();
    });
  }
  apply();

  // The trend begins at its end, where the box is narrower than the chart.
  for (const chart of $$(".trend")) chart.parentElement.scrollLeft = chart.parentElement.scrollWidth;

  const messages = document.getElementById("all-messages");
  if (messages) {
    const terse = () => document.getElementById("main").classList.toggle("terse", !messages.checked);
    messages.addEventListener("change", terse);
    terse();
  }

  // Layers of the pictures: one choice for both galleries.
  for (const box of $$("input[data-layer]")) {
    box.addEventListener("change", () => {
      document.body.classList.toggle(`hide-${box.dataset.layer}`, !box.checked);
      for (const other of $$(`input[data-layer=${box.dataset.layer}]`)) other.checked = box.checked;
    });
  }

  for (const box of $$("input[data-near]")) {
    box.addEventListener("change", () => {
      for (const other of $$("input[data-near]")) other.checked = box.checked;
      for (const picture of $$("svg.picture")) {
        picture.dataset.whole ??= picture.getAttribute("viewBox");
        picture.setAttribute("viewBox", box.checked ? picture.dataset.near : picture.dataset.whole);
      }
    });
  }

  // Sorting: what has no value stays last.
  const valueOf = (row, column, kind) => {
    const cell = row.rows[0].cells[column];
    if (kind === "text") return cell.textContent.trim();
    return cell.dataset.v === "" || cell.dataset.v === undefined ? null : Number(cell.dataset.v);
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  for (const button of $$(".sortable .sort")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const table = button.closest("table");
      const kind = button.dataset.kind;
      const first = kind === "number" ? "descending" : "ascending";
      const second = first === "descending" ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      for (const other of $$("th[aria-sort]", table)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const rows = $$("tbody.row", table).map((row) => [valueOf(row, head.cellIndex, kind), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return order === "ascending" ? compare(a, b) : compare(b, a);
      });
      for (const [, row] of rows) table.append(row);
    });
  }
})();
