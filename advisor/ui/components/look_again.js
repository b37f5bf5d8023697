// Asks Python to look again after a while; drawn only as long as there is something to wait for.
const timers = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  clearTimeout(timers.get(parentElement));
  const timer = setTimeout(() => setTriggerValue("due", data.turn), data.after_ms);
  timers.set(parentElement, timer);
  return () => clearTimeout(timer);
}
