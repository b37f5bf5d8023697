// The list of what a machine can run. Text goes in by textContent only: model names come from files of strangers.
const states = new WeakMap();

const VERDICTS = { fits: "✓", tight: "!", partial: "◐", no: "✕" };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function bar(row) {
  const track = element("div", "track");
  track.setAttribute("role", "img");
  track.setAttribute("aria-label", row.bar_text);
  for (const part of row.parts) {
    const piece = element("span", "part " + part.kind);
    piece.style.width = (100 * part.share).toFixed(2) + "%";
    piece.title = part.text;
    track.append(piece);
  }
  return track;
}

function entry(row, state, open) {
  const item = element("li");
  const details = element("details");
  details.open = state.opened.has(row.id);
  details.addEventListener("toggle", () => (details.open ? state.opened.add(row.id) : state.opened.delete(row.id)));
  const summary = element("summary");
  const name = element("div", "name");
  name.append(element("strong", "", row.name), element("span", "meta", row.meta));
  const chip = element("span", "chip " + row.verdict);
  const sign = element("span", "sign", VERDICTS[row.verdict]);
  sign.setAttribute("aria-hidden", "true");
  chip.append(sign, document.createTextNode(row.verdict));
  const memory = element("div", "memory");
  memory.append(bar(row), element("span", "size", row.size_text));
  summary.append(name, memory, chip);
  const body = element("div", "body");
  const why = element("ul", "why");
  for (const sentence of row.why) why.append(element("li", "", sentence));
  const table = element("dl", "parts");
  for (const part of row.parts) table.append(element("dt", part.kind, part.label), element("dd", "", part.size));
  const button = element("button", "", "See this model");
  button.type = "button";
  button.setAttribute("aria-label", "See " + row.name);
  button.addEventListener("click", () => open(row.id));
  body.append(why, table, button);
  details.append(summary, body);
  item.append(details);
  return item;
}

function draw(root, data, state, open) {
  const list = root.querySelector(".list");
  const wanted = state.filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const rows = data.rows.filter((row) => wanted.every((word) => row.search.includes(word)));
  const shown = state.all || wanted.length ? rows : rows.slice(0, data.first);
  list.replaceChildren(...shown.map((row) => entry(row, state, open)));
  root.querySelector(".none").hidden = rows.length > 0;
  const more = root.querySelector(".more");
  more.hidden = shown.length === rows.length;
  more.textContent = "Show all " + rows.length;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".results");
  const state = states.get(root) ?? { filter: "", all: false, opened: new Set(), drawn: "" };
  const open = (id) => setTriggerValue("chosen", id);
  const fingerprint = JSON.stringify(data);
  if (state.drawn !== fingerprint) {
    state.drawn = fingerprint;
    draw(root, data, state, open);
  }
  if (!states.has(root)) {
    states.set(root, state);
    const field = root.querySelector("input");
    field.addEventListener("input", () => {
      state.filter = field.value;
      draw(root, states.get(root).data, state, open);
    });
    root.querySelector(".more").addEventListener("click", () => {
      state.all = true;
      draw(root, states.get(root).data, state, open);
    });
  }
  state.data = data;
}
