// Models by machines: what each holds, in which file, how fast. Text goes in by textContent only.
const SIGNS = { fits: "✓", tight: "!", no: "–" };

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function sign(verdict) {
  const shown = made("span", "sign " + verdict, SIGNS[verdict]);
  shown.setAttribute("aria-hidden", "true");
  return shown;
}

function cellOf(cell, machine) {
  const one = made("td");
  const inner = made("div", "cell");
  inner.append(sign(cell.verdict));
  if (cell.file) inner.append(made("span", "file", cell.file));
  inner.append(made("span", "unseen", cell.said));
  if (cell.speed) inner.append(made("span", "speed", cell.speed));
  if (cell.title) inner.title = cell.title;
  one.append(made("span", "machine", machine.name), inner);
  return one;
}

function rowOf(row, machines) {
  const line = made("tr");
  const name = made("th", "", row.name);
  name.scope = "row";
  line.append(name, ...row.cells.map((cell, index) => cellOf(cell, machines[index])));
  return line;
}

export default function ({ data, parentElement }) {
  const names = made("tr");
  for (const machine of [{ name: data.corner, title: "" }, ...data.machines]) {
    const one = made("th", "", machine.name);
    one.scope = "col";
    if (machine.title) one.title = machine.title;
    names.append(one);
  }
  const head = made("thead");
  head.append(names);
  const body = made("tbody");
  body.append(...data.rows.map((row) => rowOf(row, data.machines)));
  parentElement.querySelector("table").replaceChildren(head, body);
  parentElement.querySelector(".legend").replaceChildren(
    ...data.signs.map(([verdict, meaning]) => {
      const entry = made("li");
      entry.append(sign(verdict), document.createTextNode(" " + meaning));
      return entry;
    }),
  );
}
