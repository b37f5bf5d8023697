// Remembers in this browser which machine its owner chose.
export default function ({ data }) {
  try {
    localStorage.setItem("headroom:machine", data.machine);
  } catch {
    // A private window may forbid it; the address holds the machine all the same.
  }
}
