const byId = (id) => document.getElementById(id);

function choose() {
  const budget = byId("budget").valueAsNumber, axis = byId("choose-by").value;
  const cheapest = charts.frontier.data.values.filter((point) => point.axis === axis && (point.high ?? point.loss) <= budget)[0];
  byId("choice").textContent = Number.isNaN(budget) ? "Give a number of points." :
    cheapest?.sentence ?? "No method that was measured loses so little.";
}

async function draw(name, specification) {
  const { view } = await vegaEmbed(`#chart-${name}`, specification);
  if (name !== "frontier") return;
  const reach = () => { for (const mark of view.container().querySelectorAll(".points_marks path")) mark.setAttribute("tabindex", 0); };
  view.addSignalListener("axis", () => view.runAsync().then(reach));
  view.container().addEventListener("focusin", (event) => { byId("detail").textContent = event.target.ariaLabel; });
  reach();
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
choose();
for (const [name, specification] of Object.entries(charts)) draw(name, specification);
