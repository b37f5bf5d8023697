// A row of figures: what, how much, and how that is known. Text goes in by textContent only.
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export default function ({ data, parentElement }) {
  const items = data.numbers.map((number) => {
    const item = element("div", "number");
    const note = element("dd", "note", number.note);
    note.title = number.title;
    item.append(element("dt", "", number.label), element("dd", "value", number.value), note);
    return item;
  });
  parentElement.querySelector(".numbers").replaceChildren(...items);
}
