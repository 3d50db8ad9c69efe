// Small comforts. Every page works without this file; elements that it looks for carry data-js.

const find = (name, root = document) => root.querySelectorAll(`[data-js="${name}"]`);

// Menus are <details>: one at a time, closed by Escape and by a click elsewhere.
function watchMenus() {
  const closeOthers = (kept) => {
    for (const menu of find("menu")) if (menu !== kept) menu.open = false;
  };
  for (const menu of find("menu")) {
    menu.addEventListener("toggle", () => menu.open && closeOthers(menu));
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
  document.addEventListener("click", (event) => closeOthers(event.target.closest('[data-js="menu"]')));
}

// "/" goes to the search, as people know it from elsewhere, unless they are writing.
function watchSearch() {
  const search = find("search")[0];
  if (!search) return;
  document.addEventListener("keydown", (event) => {
    const isWriting = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isWriting) return;
    event.preventDefault();
    search.focus();
  });
}

// To strangers the server writes UTC; they think in their own time. Of everybody else it knows it.
function showLocalTimes() {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of find("local-time")) {
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

// After a complaint the reader goes on at the first field that it is about.
function showFirstProblem() {
  const summary = document.querySelector("form .form-summary");
  const field = document.querySelector('[aria-invalid="true"]');
  if (!summary && !field) return;
  if (field) field.focus({ preventScroll: true });
  (field?.closest(".form-item") ?? summary).scrollIntoView({ block: "center" });
}

// On a narrow screen the navigation is a strip; it begins where the reader is.
function showCurrentPlace() {
  const side = document.querySelector(".side");
  const link = side?.querySelector("[aria-current]");
  if (link) side.scrollLeft += link.getBoundingClientRect().right - side.getBoundingClientRect().right + side.clientWidth / 3;
}

// What depends on another answer is there while that answer is given.
function watchConditions() {
  for (const part of find("shown-when")) {
    const form = part.closest("form");
    const wanted = JSON.parse(part.dataset.values);
    const inputs = [...part.querySelectorAll("input, select, textarea")].filter((input) => !input.disabled);
    const update = () => {
      const given = new FormData(form).getAll(part.dataset.name);
      part.hidden = !given.some((value) => wanted.includes(value));
      // Hidden, they can neither be required nor sent.
      for (const input of inputs) input.disabled = part.hidden;
    };
    form.addEventListener("change", update);
    update();
  }
}

// A question that has a page of its own is asked in a dialog over this one; where that fails, its page is shown.
function watchDialogs() {
  for (const link of find("dialog")) {
    link.addEventListener("click", async (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const page = await fetch(link.href, { headers: { Accept: "text/html" } }).catch(() => null);
      if (!page?.ok) return void location.assign(link.href);
      const work = new DOMParser().parseFromString(await page.text(), "text/html").querySelector(".work");
      if (!work) return void location.assign(link.href);
      const dialog = document.createElement("dialog");
      dialog.className = "dialog";
      work.querySelector(".crumbs")?.parentElement.remove();
      const title = work.querySelector(".head__title");
      title.id = "dialog-title";
      dialog.setAttribute("aria-labelledby", title.id);
      dialog.append(...work.children);
      dialog.addEventListener("click", (click) => {
        if (!click.target.closest(".button--quiet")) return;
        click.preventDefault();
        dialog.close();
      });
      dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
      document.body.append(dialog);
      dialog.showModal();
    });
  }
}

// Good news comes in at the edge and goes by itself, unless somebody is at it; what needs attention stays in the page.
const TOAST_MS = 10000;

function showToasts() {
  const news = document.querySelectorAll('[data-js="toasts"] .message--success');
  if (!news.length) return;
  const region = document.createElement("div");
  region.className = "toasts";
  region.setAttribute("role", "status");
  document.body.append(region);
  for (const message of news) {
    const rest = message.parentElement;
    region.append(message);
    if (!rest.children.length) rest.remove();
    let timer = 0;
    const wait = () => { timer = setTimeout(() => message.remove(), TOAST_MS); };
    const stay = () => clearTimeout(timer);
    message.addEventListener("mouseenter", stay);
    message.addEventListener("focusin", stay);
    message.addEventListener("mouseleave", wait);
    message.addEventListener("focusout", wait);
    wait();
  }
}

// What was read can be put away.
function watchMessages() {
  for (const message of document.querySelectorAll(".message")) {
    const close = document.createElement("button");
    close.type = "button";
    close.className = "message__close";
    close.setAttribute("aria-label", "Dismiss");
    close.textContent = "\u00d7";
    close.addEventListener("click", () => message.remove());
    message.append(close);
  }
}

// Pressing a button twice sends once; leaving a changed item asks first.
function watchForms() {
  const sent = new WeakSet();
  const changed = new Set();
  for (const form of document.querySelectorAll('form[method="post"]')) {
    const isLong = form.classList.contains("form--with-side");
    // What comes back with a complaint was typed and is not saved.
    if (isLong && form.querySelector(".form-summary")) changed.add(form);
    if (isLong) form.addEventListener("input", () => changed.add(form));
    form.addEventListener("submit", (event) => {
      if (sent.has(form)) {
        event.preventDefault();
        return;
      }
      sent.add(form);
      changed.delete(form);
      for (const button of form.querySelectorAll("button")) button.setAttribute("aria-busy", "true");
    });
  }
  addEventListener("beforeunload", (event) => changed.size && event.preventDefault());
  // A page that the back button brings from memory must be able to send again.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll('form[method="post"]')) {
      sent.delete(form);
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-busy");
    }
  });
}

// A file that is too large is told before it is sent; sent, it would be cut off halfway.
function watchFiles() {
  const format = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
  for (const input of find("file")) {
    const most = Number(input.dataset.jsMax);
    input.addEventListener("change", () => {
      const size = input.files[0]?.size ?? 0;
      const inMegabytes = (bytes) => `${format.format(bytes / 1e6)} MB`;
      input.setCustomValidity(size > most ? `This file has ${inMegabytes(size)}; ${inMegabytes(most)} is the most.` : "");
      input.reportValidity();
    });
  }
}

watchMenus();
watchSearch();
showLocalTimes();
showFirstProblem();
showCurrentPlace();
watchConditions();
watchDialogs();
watchMessages();
showToasts();
watchForms();
watchFiles();
