// Sends the first bytes of a chosen file, as many as Python asks for: a header is read without an upload.
const states = new WeakMap();

function base64(buffer) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(new Blob([buffer]));
  });
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".file");
  const field = root.querySelector("input");
  const said = root.querySelector(".said");
  const state = states.get(root) ?? { sent: 0, file: null };
  const send = async (wanted) => {
    const file = state.file;
    if (!file || wanted <= state.sent) return;
    state.sent = wanted;
    said.textContent = "Reading the header of " + file.name + " ...";
    try {
      const bytes = await file.slice(0, wanted).arrayBuffer();
      setTriggerValue("head", { name: file.name, size: file.size, bytes: await base64(bytes) });
      said.textContent = file.name + ": only its header was read; the file stays in your browser.";
    } catch (error) {
      said.textContent = "The browser could not read " + file.name + ": " + error.message;
    }
  };
  if (!states.has(root)) {
    states.set(root, state);
    field.addEventListener("change", () => {
      state.file = field.files[0] ?? null;
      state.sent = 0;
      send(state.first);
    });
  }
  state.first = data.first;
  send(data.wanted);
}
