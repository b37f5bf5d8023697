// A long table whose cells may be links, filtered without asking the server. Text goes in by textContent only, and only
// addresses that begin with https:// or lead to a page of this site become links: names come from files of strangers.
const states = new WeakMap();

function cell(tag, content, name, kind) {
  const made = document.createElement(tag);
  const { text, href } = typeof content === "string" ? { text: content } : content;
  const here = /^\/[a-z]+\?[\w=&.-]*$/.test(href ?? "");
  if (here || (href && href.startsWith("https://"))) {
    const link = document.createElement("a");
    link.href = href;
    link.target = here ? "_self" : "_blank";
    link.rel = "noopener noreferrer";
    link.textContent = text;
    made.append(link);
  } else {
    const holder = document.createElement("span");
    holder.textContent = text;
    made.append(holder);
  }
  if (kind) made.className = kind;
  if (tag === "td") made.dataset.name = name;
  else made.scope = "row";
  return made;
}

function words(row) {
  return row.map((content) => (typeof content === "string" ? content : content.text)).join(" ").toLowerCase();
}

function draw(root, state) {
  const { columns, kinds, rows, first, many } = state.data;
  const asked = state.filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => asked.every((word) => words(row).includes(word)));
  const shown = state.all ? found : found.slice(0, first);
  root.querySelector("thead tr").replaceChildren(
    ...columns.map((name, index) => {
      const one = document.createElement("th");
      one.textContent = name;
      one.scope = "col";
      if (kinds[index] === "right") one.className = "right";
      return one;
    }),
  );
  root.querySelector("tbody").replaceChildren(
    ...shown.map((row) => {
      const line = document.createElement("tr");
      line.append(...row.map((content, index) => cell(index ? "td" : "th", content, columns[index], kinds[index])));
      return line;
    }),
  );
  root.querySelector(".scroll").hidden = found.length === 0;
  root.querySelector(".none").hidden = found.length > 0;
  const more = root.querySelector(".more");
  more.hidden = shown.length === found.length;
  more.textContent = "Show all " + found.length + " " + many;
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".linked");
  const known = states.get(root);
  const state = known ?? { filter: "", all: false, drawn: "" };
  state.data = data;
  const field = root.querySelector("input");
  field.placeholder = data.find;
  field.setAttribute("aria-label", data.find);
  if (!known) {
    states.set(root, state);
    field.addEventListener("input", () => {
      state.filter = field.value;
      draw(root, state);
    });
    root.querySelector(".more").addEventListener("click", () => {
      state.all = true;
      draw(root, state);
    });
  }
  const fingerprint = JSON.stringify(data);
  if (state.drawn !== fingerprint) {
    state.drawn = fingerprint;
    draw(root, state);
  }
}
