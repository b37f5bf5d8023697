// Tells once what this browser says of its machine, and which machine was chosen here before. Nothing else is read.
const sent = new WeakSet();

function renderer() {
  try {
    const gl = document.createElement("canvas").getContext("webgl");
    if (!gl) return "";
    const more = gl.getExtension("WEBGL_debug_renderer_info");
    const name = gl.getParameter(more ? more.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    // Browsers allow few contexts, and figures may want one.
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return String(name ?? "");
  } catch {
    return "";
  }
}

async function vendor() {
  const late = new Promise((resolve) => setTimeout(resolve, 800, null));
  try {
    const adapter = await Promise.race([navigator.gpu?.requestAdapter(), late]);
    return String(adapter?.info?.vendor ?? "");
  } catch {
    return "";
  }
}

function kept() {
  try {
    return localStorage.getItem("headroom:machine") ?? "";
  } catch {
    return "";
  }
}

export default function ({ parentElement, setStateValue }) {
  if (sent.has(parentElement)) return;
  sent.add(parentElement);
  (async () =>
    setStateValue("report", {
      renderer: renderer(),
      gpu_vendor: await vendor(),
      platform: String(navigator.userAgentData?.platform || navigator.platform || ""),
      mobile: navigator.userAgentData?.mobile ?? false,
      touch_points: navigator.maxTouchPoints ?? 0,
      cores: navigator.hardwareConcurrency ?? null,
      kept: kept(),
    }))();
}
