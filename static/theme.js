// The switch between light and dark, at once and without losing what was typed. Without this
// script the form sends the choice to the server, which sets the same cookie.

const root = document.documentElement;
const form = document.querySelector("[data-theme-switch]");

function show() {
  for (const button of form.elements.theme) {
    button.setAttribute("aria-pressed", button.value === (root.dataset.theme ?? "system"));
  }
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const theme = event.submitter.value;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `berth_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  if (theme === "system") {
    delete root.dataset.theme;
  } else {
    root.dataset.theme = theme;
  }
  show();
});

if (form) {
  show();
}
