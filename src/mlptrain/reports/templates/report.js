"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Tables: a header button sorts, a second press turns the order round; empty cells stay last.
  const value = (row, column) => {
    const cell = row.cells[column];
    if (!("v" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), undefined, { numeric: true });
  const sort = (header) => {
    const table = header.closest("table");
    const column = header.cellIndex;
    const now = header.getAttribute("aria-sort");
    const falling = now === "none" ? header.dataset.first === "descending" : now === "ascending";
    for (const other of all("th[aria-sort]", table)) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
    rows.sort(([a], [b]) =>
      a === null || b === null ? (a === null) - (b === null) : (falling ? -1 : 1) * compare(a, b)
    );
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const button of all("th[aria-sort] button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }

  // Rows by text: every word must be somewhere in the row.
  for (const input of all("input[data-filters]")) {
    const table = document.getElementById(input.dataset.filters);
    const count = input.closest(".tools").querySelector("output");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...table.tBodies[0].rows];
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      const shown = rows.filter((row) => !row.hidden).length;
      count.textContent = words.length ? `${shown} of ${rows.length}` : `${rows.length} rows`;
    });
  }

  // Charts. `ast` has Vega interpret its expressions: the page's policy forbids to compile any.
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true,
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  };
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const curves = (box, view) => {
    const buttons = all(".legend button", box);
    const set = (name, content) => view.signal(name, content).runAsync();
    const pressed = (button) => button.getAttribute("aria-pressed") === "true";
    const show = (wanted) => {
      for (const [i, button] of buttons.entries()) {
        button.setAttribute("aria-pressed", String(wanted(button, i)));
      }
      set("off", buttons.flatMap((button, i) => (pressed(button) ? [] : [i])));
    };
    for (const [i, button] of buttons.entries()) {
      button.addEventListener("click", () => show((b) => (b === button) !== pressed(b)));
      for (const event of ["pointerenter", "focus"]) {
        button.addEventListener(event, () => set("lit", pressed(button) ? i : -1));
      }
      for (const event of ["pointerleave", "blur"]) {
        button.addEventListener(event, () => set("lit", -1));
      }
    }
    for (const button of all("button[data-most]", box)) {
      button.addEventListener("click", () => show((_, i) => i < Number(button.dataset.most)));
    }
    const metric = box.querySelector("select");
    metric.addEventListener("change", () => set("metric", metric.value));
  };
  // On a phone the names of an interval chart stand above their rows, not beside them.
  const narrowed = (spec) => {
    spec.height = 54 * spec.data.values.length;
    for (const { y } of spec.layer.map((layer) => layer.encoding)) {
      if (!y) continue;
      y.axis.labelBaseline.value = "top";
      Object.assign(y.axis, { labelAlign: "left", labelPadding: -2, labelOffset: -22 });
    }
    return spec;
  };
  for (const [id, drawn] of Object.entries(specs)) {
    const place = document.getElementById(id);
    const narrow = id.startsWith("intervals-") && place.clientWidth < 560;
    const spec = narrow ? narrowed(drawn) : drawn;
    window
      .vegaEmbed(place, spec, options)
      .then(({ view }) => {
        if (id.startsWith("curves-")) curves(place.closest(".curves"), view);
        place.dataset.drawn = "yes";
      })
      .catch((error) => {
        place.textContent = `This chart could not be drawn: ${error.message}`;
      });
  }

  // Paper cannot be clicked: everything is unfolded while printing.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const part of folded) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });
})();
