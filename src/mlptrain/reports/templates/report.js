"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Tables: a header button sorts, a second press turns the order round; empty cells stay last.
  const value = (row, column) => {
    const cell = row.cells[column];
    if (!("v" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };
  const collator = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b);
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
    table.dispatchEvent(new Event("sorted"));
  };
  for (const button of all("th[aria-sort] button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }

  const written = (number) => number.toLocaleString("en");
  // Rows by text: every word must be somewhere in the row; of many, the first are shown.
  for (const input of all("input[data-filters]")) {
    const table = document.getElementById(input.dataset.filters);
    const tools = input.closest(".tools");
    const button = tools.querySelector("button");
    let most = Number(input.dataset.most);
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let matching = 0;
      for (const row of table.tBodies[0].rows) {
        const text = words.length ? row.textContent.toLowerCase() : "";
        const isMatching = words.every((word) => text.includes(word));
        matching += isMatching;
        row.hidden = !isMatching || matching > most;
      }
      const rows = table.tBodies[0].rows.length;
      const cut = matching > most ? `, the first ${most} shown` : "";
      const count = words.length ? `${written(matching)} of ${written(rows)}` : `${written(rows)} row${rows === 1 ? "" : "s"}`;
      tools.querySelector("output").textContent = count + cut;
      if (button) button.hidden = !cut;
    };
    const showAll = () => {
      most = Infinity;
      show();
    };
    input.addEventListener("input", show);
    table.addEventListener("sorted", show);
    button?.addEventListener("click", showAll);
    window.addEventListener("beforeprint", showAll);
  }

  // What a chart shows under the pointer, as lines of text.
  const tooltip = document.getElementById("tooltip");
  const tell = ({ clientX, clientY }, text) => {
    tooltip.textContent = text;
    tooltip.hidden = false;
    const { width, height } = tooltip.getBoundingClientRect();
    const left = clientX + 14 + width > innerWidth ? clientX - 14 - width : clientX + 14;
    const top = Math.min(clientY + 14, innerHeight - height - 4);
    Object.assign(tooltip.style, { left: `${Math.max(4, left)}px`, top: `${Math.max(4, top)}px` });
  };
  const hide = () => { tooltip.hidden = true; };
  for (const row of all("[data-tooltip]")) {
    for (const event of ["pointermove", "pointerdown"]) {
      row.addEventListener(event, (at) => tell(at, row.dataset.tooltip));
    }
    row.addEventListener("focus", () => {
      const { left, bottom } = row.getBoundingClientRect();
      tell({ clientX: left, clientY: bottom }, row.dataset.tooltip);
    });
    for (const event of ["pointerleave", "blur"]) row.addEventListener(event, hide);
  }

  // Learning curves: drawn anew for each metric, choice of lines and width.
  const draw = (name, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, content] of Object.entries(attributes)) element.setAttribute(key, content);
    element.append(...children);
    return element;
  };
  const short = (number) => String(Number(number.toPrecision(4)));
  const ticks = (low, high, most) => {
    const power = 10 ** Math.floor(Math.log10((high - low) / most));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => (high - low) / n <= most);
    const places = [];
    for (let n = Math.ceil(low / step); n * step <= high; n += 1) places.push(n * step);
    return places;
  };
  const limits = (numbers) => {
    const low = numbers.reduce((a, b) => Math.min(a, b), Infinity);
    const high = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
    const room = 0.02 * (high - low) || Math.abs(low) / 10 || 1;
    return numbers.length ? [low - room, high + room] : [0, 1];
  };
  const HEIGHT = 340;
  const MARGIN = { left: 52, right: 12, top: 10, bottom: 40 };
  const curves = (place, lines) => {
    const box = place.closest(".curves");
    const buttons = all(".legend button", box);
    const metric = box.querySelector("select");
    const isShown = (i) => buttons[i].getAttribute("aria-pressed") === "true";
    let lit = -1;
    let points = [];
    const marker = draw("circle", { r: 5, class: "marker", visibility: "hidden" });
    const render = () => {
      const width = Math.max(place.clientWidth, 240);
      const shown = lines.flatMap((line, i) => {
        if (!isShown(i)) return [];
        const { mean, low = mean, high = mean } = line[metric.value];
        const at = line.epoch.flatMap((epoch, n) =>
          mean[n] === null ? [] : [{ line, epoch, mean: mean[n], low: low[n], high: high[n], runs: line.runs[n] }]
        );
        return [{ line, i, at, isBand: low !== mean }];
      });
      points = shown.flatMap((curve) => curve.at);
      const epochs = points.map((point) => point.epoch);
      const [first, last] = [Math.min(...epochs, Infinity), Math.max(...epochs, -Infinity)];
      const [bottom, top] = limits(points.flatMap((point) => [point.low, point.high]));
      const x = (epoch) =>
        MARGIN.left + ((epoch - first) / (last - first || 1)) * (width - MARGIN.left - MARGIN.right);
      const y = (number) =>
        HEIGHT - MARGIN.bottom - ((number - bottom) / (top - bottom)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
      for (const point of points) [point.x, point.y] = [x(point.epoch), y(point.mean)];
      const path = (pairs) => `M${pairs.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L")}`;
      const axes = draw("g", { class: "axis" });
      for (const number of ticks(bottom, top, 7)) {
        axes.append(
          draw("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(number), y2: y(number) }),
          draw("text", { x: MARGIN.left - 8, y: y(number), dy: ".35em", "text-anchor": "end" }, short(number))
        );
      }
      const marks = last > first ? ticks(first, last, width / 70).filter(Number.isInteger) : points.length ? [first] : [];
      for (const epoch of marks) {
        axes.append(draw("text", { x: x(epoch), y: HEIGHT - 22, "text-anchor": "middle" }, String(epoch)));
      }
      axes.append(draw("text", { x: width / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "epoch"));
      const groups = shown.filter(({ at }) => at.length).map(({ line, i, at, isBand }) => {
        const group = draw("g", { class: lit >= 0 && lit !== i ? "dim" : "" });
        if (isBand) {
          const around = [
            ...at.map((point) => [point.x, y(point.high)]),
            ...at.map((point) => [point.x, y(point.low)]).reverse(),
          ];
          group.append(draw("path", { class: "band", d: path(around), fill: line.color }));
        }
        const dashes = line.dashes ? { "stroke-dasharray": line.dashes } : {};
        const means = at.map((point) => [point.x, point.y]);
        group.append(draw("path", { class: "line", d: path(means), stroke: line.color, ...dashes }));
        // One epoch alone would be a line without length.
        if (at.length < 3) {
          group.append(...means.map(([cx, cy]) => draw("circle", { cx, cy, r: 3.5, fill: line.color })));
        }
        return group;
      });
      place.replaceChildren(draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}` }, axes, ...groups, marker));
    };
    const show = (choose) => {
      for (const [i, button] of buttons.entries()) {
        button.setAttribute("aria-pressed", String(choose(button, i)));
      }
      render();
    };
    const light = (i) => {
      lit = i;
      render();
    };
    for (const [i, button] of buttons.entries()) {
      button.addEventListener("click", () => show((other, n) => (other === button) !== isShown(n)));
      for (const event of ["pointerenter", "focus"]) {
        button.addEventListener(event, () => light(isShown(i) ? i : -1));
      }
      for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => light(-1));
    }
    for (const button of all("button[data-most]", box)) {
      button.addEventListener("click", () => show((_, i) => i < Number(button.dataset.most)));
    }
    metric.addEventListener("change", render);
    for (const event of ["pointermove", "pointerdown"]) {
      place.addEventListener(event, (at) => {
        const frame = place.getBoundingClientRect();
        const distance = (point) =>
          (point.x - at.clientX + frame.left) ** 2 + (point.y - at.clientY + frame.top) ** 2;
        let nearest = null;
        for (const point of points) if (!nearest || distance(point) < distance(nearest)) nearest = point;
        if (!nearest) return;
        const { line, epoch, mean, low, high, runs, x, y } = nearest;
        for (const [key, content] of Object.entries({ cx: x, cy: y, fill: line.color, visibility: "visible" })) {
          marker.setAttribute(key, content);
        }
        const range = runs > 1 ? `\nmean of ${runs} seeds; lowest ${short(low)}, highest ${short(high)}` : "";
        tell(at, `${line.name}\nepoch ${epoch}: ${short(mean)}${range}`);
      });
    }
    place.addEventListener("pointerleave", () => {
      marker.setAttribute("visibility", "hidden");
      hide();
    });
    let drawnWidth = 0;
    new ResizeObserver(() => {
      if (place.clientWidth !== drawnWidth) {
        drawnWidth = place.clientWidth;
        render();
      }
    }).observe(place);
  };
  const charts = JSON.parse(document.getElementById("charts").textContent);
  for (const [id, lines] of Object.entries(charts)) {
    if (lines.length) curves(document.getElementById(id), lines);
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
