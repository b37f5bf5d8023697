// The list of what a machine can run. Text goes in by textContent only: names may come from files of strangers.
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
  track.setAttribute("aria-label", "needs " + row.size_text);
  for (const part of row.parts) {
    const piece = element("span", "part " + part.kind);
    piece.style.width = (100 * part.share).toFixed(2) + "%";
    piece.title = part.label + ": " + part.size;
    track.append(piece);
  }
  return track;
}

function chip(row) {
  const made = element("span", "chip " + row.verdict);
  const sign = element("span", "sign", VERDICTS[row.verdict]);
  sign.setAttribute("aria-hidden", "true");
  made.append(sign, document.createTextNode(row.verdict));
  return made;
}

function summaryOf(row) {
  const summary = element("summary");
  const name = element("div", "name");
  name.append(element("strong", "", row.name), element("span", "meta", row.meta));
  const memory = element("div", "memory");
  const size = element("div", "size");
  size.append(element("span", "", [row.size_text, row.beside].filter(Boolean).join(" ")), element("span", "", row.short));
  memory.append(bar(row), size);
  const verdict = element("div", "verdict");
  verdict.append(chip(row));
  if (row.speed) {
    const speed = element("span", "speed", row.speed);
    speed.title = row.speed_title;
    verdict.append(speed);
    if (row.speed_mark) verdict.append(element("span", "speed", row.speed_mark));
  }
  summary.append(name, memory, verdict);
  return summary;
}

function bodyOf(row, open) {
  const body = element("div", "body");
  const why = element("ul", "why");
  for (const sentence of row.why) why.append(element("li", "", sentence));
  const table = element("dl", "parts");
  for (const part of row.parts) {
    const pair = element("div");
    pair.append(element("dt", part.kind, part.label), element("dd", "", part.size));
    table.append(pair);
  }
  // A real link: it can be copied and opened in a new tab; a plain click stays in this session.
  const link = element("a", "open", "Plan this model");
  link.href = row.href;
  link.setAttribute("aria-label", "Plan " + row.name);
  link.addEventListener("click", (event) => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(row.href);
  });
  body.append(why, table, link);
  return body;
}

function entry(row, state) {
  const item = element("li");
  item.dataset.row = row.id;
  const details = element("details");
  details.append(summaryOf(row));
  const fill = () => details.children.length > 1 || details.append(bodyOf(row, state.open));
  if (state.opened.has(row.id)) {
    fill();
    details.open = true;
  }
  details.addEventListener("toggle", () => {
    if (details.open) fill();
    details.open ? state.opened.add(row.id) : state.opened.delete(row.id);
  });
  item.append(details);
  return item;
}

function drawVerdicts(root, rows, state) {
  const group = root.querySelector(".verdicts");
  const focused = group.getRootNode().activeElement?.value;
  const buttons = ["all", ...Object.keys(VERDICTS)].map((word) => {
    const count = word === "all" ? rows.length : rows.filter((row) => row.verdict === word).length;
    const button = element("button", "", word + " ");
    button.type = "button";
    button.value = word;
    button.setAttribute("aria-pressed", String(state.verdict === word));
    button.append(element("span", "count", String(count)));
    button.addEventListener("click", () => {
      state.verdict = word;
      draw(root, state);
    });
    return button;
  });
  group.replaceChildren(...buttons);
  buttons.find((button) => button.value === focused)?.focus();
}

function draw(root, state) {
  const words = state.filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const found = state.data.rows.filter((row) => words.every((word) => row.search.includes(word)));
  const rows = found.filter((row) => state.verdict === "all" || row.verdict === state.verdict);
  const shown = state.all ? rows : rows.slice(0, state.data.first);
  drawVerdicts(root, found, state);
  root.querySelector(".legend").replaceChildren(
    ...state.data.legend
      .filter(([kind]) => kind !== "in_use" || shown.some((row) => row.parts.some((part) => part.kind === kind)))
      .map(([kind, label]) => element("li", kind, label)),
  );
  const focused = root.getRootNode().activeElement;
  const [row, tag] = [focused?.closest?.("li[data-row]")?.dataset.row, focused?.tagName];
  root.querySelector(".list").replaceChildren(...shown.map((row) => entry(row, state)));
  // The server may know more while somebody reads: who is in the list stays where they are.
  if (row) root.querySelector(`li[data-row="${CSS.escape(row)}"] ${tag}`)?.focus({ preventScroll: true });
  const none = root.querySelector(".none");
  none.hidden = rows.length > 0;
  none.textContent = !state.data.rows.length
    ? "No model is left. Ask for less speed."
    : found.length
      ? "None of them is \u201c" + state.verdict + "\u201d; choose \u201call\u201d."
      : "No model of the list has these words. A file of yours can be planned on the page \u201cModel\u201d.";
  const more = root.querySelector(".more");
  more.hidden = shown.length === rows.length;
  more.textContent = "Show all " + rows.length;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".results");
  const known = states.get(root);
  const state = known ?? { filter: "", verdict: "all", all: false, opened: new Set(), drawn: "" };
  state.open = (href) => setTriggerValue("chosen", href);
  state.data = data;
  if (!known) {
    states.set(root, state);
    const field = root.querySelector("input");
    field.addEventListener("input", () => {
      state.filter = field.value;
      draw(root, state);
    });
    root.querySelector(".more").addEventListener("click", () => {
      const before = root.querySelectorAll(".list > li").length;
      state.all = true;
      draw(root, state);
      // The button is gone; reading goes on where it was.
      root.querySelectorAll("summary")[before]?.focus({ preventScroll: true });
    });
  }
  const fingerprint = JSON.stringify(data);
  if (state.drawn !== fingerprint) {
    state.drawn = fingerprint;
    draw(root, state);
  }
}
