// What the colours of a figure mean. Text goes in by textContent only.
export default function ({ data, parentElement }) {
  const items = data.entries.map((entry) => {
    const item = document.createElement("li");
    const colour = document.createElement("span");
    colour.className = entry.kind;
    colour.style.background = entry.colour;
    item.append(colour, document.createTextNode(entry.name));
    return item;
  });
  parentElement.querySelector(".legend").replaceChildren(...items);
}
