// Light and dark: what the system says, until the switch says otherwise.

const KEY = "attention-zoo-theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** Makes `button` the switch between light and dark. */
export function startTheme(button) {
  const isDark = () => (document.documentElement.dataset.theme ?? system()) === "dark";
  const show = () => {
    button.setAttribute("aria-checked", isDark());
    document.dispatchEvent(new Event("themechange"));
  };
  const kept = stored();
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    store(next);
    show();
  });
  prefersDark.addEventListener("change", show);
  show();
}

function system() {
  return prefersDark.matches ? "dark" : "light";
}

// A browser may forbid pages to keep anything.
function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // The choice lasts as long as the page.
  }
}
