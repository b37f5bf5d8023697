// A table for reading. `kinds` says how each column looks: "" (text), "right" (numbers), "faint" (sources).
// Text goes in by textContent only: names may come from files of strangers.
function cell(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function line(row, kinds, columns, total) {
  const made = document.createElement("tr");
  if (total) made.className = "total";
  row.forEach((text, index) => {
    const one = cell(index ? "td" : "th", text, kinds[index]);
    if (index) one.dataset.name = columns[index];
    else one.scope = "row";
    if (text === "unknown") one.classList.add("unknown");
    made.append(one);
  });
  return made;
}

export default function ({ data, parentElement }) {
  const table = parentElement.querySelector("table");
  const head = document.createElement("thead");
  const names = document.createElement("tr");
  data.columns.forEach((name, index) => {
    const one = cell("th", name, data.kinds[index]);
    one.scope = "col";
    names.append(one);
  });
  head.append(names);
  const body = document.createElement("tbody");
  body.append(...data.rows.map((row, index) => line(row, data.kinds, data.columns, data.total && index === data.rows.length - 1)));
  // Where the first column has a name, the rows are things of one kind, and each cell of a block says which of its facts it is.
  table.className = [data.stack && "stack", data.stack && data.columns[0] && "named"].filter(Boolean).join(" ");
  table.replaceChildren(head, body);
  // What scrolls sideways can be reached, and scrolled, by keyboard; what does not is no stop on the way.
  const box = table.parentElement;
  box.reach ??= new ResizeObserver(() => (box.scrollWidth > box.clientWidth ? (box.tabIndex = 0) : box.removeAttribute("tabindex")));
  box.reach.observe(box);
}
