// Streamlit's navigation on a phone is a list in which a section is neither an item nor a list, so that screen readers lose
// count. Here each section becomes one item, and the pages of it are links in that item.
const LIST = "[data-testid=stSidebarNavItems]";

function mend() {
  for (const section of document.querySelectorAll(LIST + " > div:not([role])")) section.setAttribute("role", "listitem");
  for (const page of document.querySelectorAll(LIST + " > [role=listitem] li:not([role])")) page.setAttribute("role", "none");
}

export default function () {
  mend();
  if (window.headroomNavigation) return;
  // It is drawn anew where the window gets narrow, and when a section is opened.
  window.headroomNavigation = new MutationObserver(mend);
  window.headroomNavigation.observe(document.body, { childList: true, subtree: true });
}
