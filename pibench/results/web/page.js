"use strict";
const points = JSON.parse(document.getElementById("points").textContent);
const axes = new Map(JSON.parse(document.getElementById("axes").textContent).map(([key, name, unit]) => [key, { name, unit }]));
const byId = (id) => document.getElementById(id);
const told = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });

function beater(point, key) {
  const no_worse = (other) => other[key] !== null && other.loss <= point.loss && other[key] <= point[key];
  const better = points.filter((other) => no_worse(other) && (other.loss < point.loss || other[key] < point[key]));
  return better.sort((a, b) => a.loss - b.loss)[0];
}

function sentence(point, key) {
  const { name, unit } = axes.get(key), better = beater(point, key);
  const seeds = `${point.seeds} seed${String(point.seeds) === "1" ? "" : "s"}`;
  const own = key === "megabytes" || key === "rounds" ? "" : `${name}: ${told(point[key], 2)} ${unit}; `;
  return `${point.name}: loses ${told(point.loss, 2)} points; ${own}` +
    `${told(point.megabytes, 1)} MB in ${told(point.rounds, 0)} rounds; ${seeds}; ` +
    `${better ? `behind ${better.name}` : "on the frontier"}.`;
}

function choose() {
  const budget = byId("budget").valueAsNumber, key = byId("choose-by").value;
  const fit = points.filter((point) => point[key] !== null && point.loss <= budget);
  const best = fit.sort((a, b) => a[key] - b[key])[0];
  byId("choice").textContent = Number.isNaN(budget) ? "Give a number of points." :
    best ? sentence(best, key) : "No method that was measured loses so little.";
}

function element(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function draw() {
  const key = byId("axis").value, { name, unit } = axes.get(key);
  const shown = points.filter((point) => point[key] !== null && point.loss < 8);
  const [width, height, left, bottom] = [Math.max(byId("chart").clientWidth, 280), 460, 50, 50];
  const logs = shown.map((point) => Math.log10(point[key])), losses = shown.map((point) => point.loss);
  const [low, high] = [Math.min(...logs) - 0.05, Math.max(...logs) + 0.12];
  const least = Math.floor(Math.min(...losses, 0)), most = Math.max(Math.ceil(Math.max(...losses)), least + 1);
  const x = (value) => left + (Math.log10(value) - low) / (high - low) * (width - left - 20);
  const y = (value) => height - bottom - (value - least) / (most - least) * (height - bottom - 20);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Points lost against ${name}` });
  for (let loss = least; loss <= most; loss++) {
    svg.append(element("line", { class: "grid", x1: left, x2: width - 20, y1: y(loss), y2: y(loss) }));
    svg.append(element("text", { x: left - 8, y: y(loss) + 4, "text-anchor": "end" }, loss));
  }
  for (let power = Math.floor(low); power <= high; power++) for (const step of [1, 2, 5]) {
    const value = step * 10 ** power;
    if (Math.log10(value) < low || Math.log10(value) > high) continue;
    svg.append(element("line", { class: "grid", x1: x(value), x2: x(value), y1: 20, y2: height - bottom }));
    svg.append(element("text", { x: x(value), y: height - bottom + 18, "text-anchor": "middle" }, told(value, 3)));
  }
  svg.append(element("text", { x: (left + width) / 2, y: height - 8, "text-anchor": "middle" }, `${name} (${unit})`));
  svg.append(element("text", { x: 16, y: height / 2, transform: `rotate(-90 16 ${height / 2})`, "text-anchor": "middle" }, "points lost"));
  const sorted = shown.sort((a, b) => a[key] - b[key]);
  svg.append(...sorted.map((point) => mark(point, key, x, y)));
  for (const point of sorted.filter((one) => !beater(one, key))) {
    const end = x(point[key]) > width / 2;
    const place = { class: "name", x: x(point[key]) + (end ? -11 : 11), y: y(point.loss) + 4, "text-anchor": end ? "end" : "start" };
    svg.append(element("text", { ...place, "aria-hidden": true }, point.name));
  }
  byId("chart").replaceChildren(svg);
  const left_out = points.filter((point) => point[key] === null || point.loss >= 8).map((point) => point.name);
  byId("detail").textContent = "Point at a mark, or move to it with the Tab key, to read it." +
    (left_out.length ? ` Not in the picture (8 points lost or more, or not measured): ${left_out.join(", ")}.` : "");
}

function mark(point, key, x, y) {
  const words = sentence(point, key);
  const group = element("g", { tabindex: 0, role: "img", "aria-label": words, class: beater(point, key) ? "" : "frontier" });
  group.append(element("title", {}, words));
  group.append(element("circle", { class: "mark", cx: x(point[key]), cy: y(point.loss), r: 7 }));
  for (const event of ["mouseenter", "focus", "click"]) group.addEventListener(event, () => { byId("detail").textContent = words; });
  return group;
}

function compare(a, b) {
  const [first, second] = [a, b].map((cell) => cell.dataset.value ?? cell.textContent);
  const numbers = [Number(first), Number(second)];
  const missing = [a, b].map((cell) => cell.textContent === "–");
  if (missing[0] || missing[1]) return missing[0] - missing[1];
  return numbers.some(Number.isNaN) ? first.localeCompare(second) : numbers[0] - numbers[1];
}

function sort(header) {
  const table = header.closest("table"), column = [...header.parentNode.children].indexOf(header);
  const up = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const order = compare(a.cells[column], b.cells[column]);
    return a.cells[column].textContent === "–" || b.cells[column].textContent === "–" || up ? order : -order;
  });
  table.tBodies[0].append(...rows);
}

function filter(input) {
  const table = byId(input.dataset.filters), words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    count += !row.hidden;
  }
  byId(table.id.replace(/^t-/, "count-")).textContent = `${count} of ${table.tBodies[0].rows.length} rows`;
}

async function copy(button) {
  const source = byId(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(source.value);
    button.textContent = "Copied";
  } catch {
    source.hidden = false;
    source.focus();
    source.select();
    button.textContent = "Press Ctrl-C";
  }
  setTimeout(() => { button.textContent = "Copy as LaTeX"; }, 3000);
}

for (const header of document.querySelectorAll("details.table thead th")) header.querySelector("button").addEventListener("click", () => sort(header));
for (const input of document.querySelectorAll("[data-filters]")) input.addEventListener("input", () => filter(input));
for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", () => copy(button));
for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
byId("budget").addEventListener("input", choose);
byId("choose-by").addEventListener("change", choose);
byId("axis").addEventListener("change", draw);
addEventListener("resize", draw);
choose();
draw();
