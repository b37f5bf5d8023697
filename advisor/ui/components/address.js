// Puts the question into the address of a page that was opened without one, in place of that entry of the history.
// (The server could only add an entry, and the browser's Back would then stop at the empty one.)
export default function ({ data }) {
  if (!data.arrived || data.arrived === window.headroomArrived) {
    return;
  }
  window.headroomArrived = data.arrived;
  if (!window.location.search && data.query) {
    window.history.replaceState(window.history.state, "", window.location.pathname + "?" + data.query);
  }
}
